import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildGoProgram } from '../src/backends/go-program.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');
/** Also builds what is needed, outside of any test's time. A program that does not build is no missing Go. */
const hasGo = await buildGoProgram('driver-go').then(
  () => true,
  (error: Error) => {
    if (!error.message.startsWith('Go is missing')) throw error;
    return false;
  },
);

/** What a file of a run holds. */
interface Saved {
  readonly benches: readonly { readonly name: string; readonly verdict: readonly string[] }[];
  readonly rows: readonly {
    readonly bench: string;
    readonly subject: string;
    readonly metric: string;
    readonly median: number;
  }[];
}

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-bench-test-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Rejects, with what was printed, when a bench finds anything wrong. */
async function bench(...args: string[]): Promise<string> {
  return (await run(process.execPath, [MAIN, ...args])).stdout;
}

describe('bench', () => {
  it('believes no lie of a server', { timeout: 180_000 }, async () => {
    expect(await bench('check')).toMatch(/not found +0/);
  });

  it.skipIf(!hasGo)('runs every part of the wire, and takes up what is done', { timeout: 300_000 }, async () => {
    const file = join(folder, 'wire.json');
    const args = ['wire', '--smoke', '--subjects=bascule', `--json=${file}`];
    await bench(...args);
    const { benches, rows } = JSON.parse(await readFile(file, 'utf8')) as Saved;
    expect(benches.flatMap(({ verdict }) => verdict)).toEqual([]);
    for (const { name } of benches) {
      const own = rows.filter((row) => row.bench === name && row.subject === 'Bascule');
      expect(own.length, name).toBeGreaterThan(0);
      // Only idle streams may cost nothing that can be seen.
      const free = own.filter(({ metric, median }) => /^(CPU|p50)/.test(metric) && !(median > 0));
      // CPU is told in hundredths of a second: one short round on a starved machine may show none.
      expect(free.length, name).toBeLessThanOrEqual(1);
    }
    expect(await bench(...args, '--resume')).toContain(`${benches.at(-1)?.name}: taken from`);
  });

  it('says what it does not know', async () => {
    await expect(bench('weather')).rejects.toThrow('there is no bench "weather"');
  });
});
