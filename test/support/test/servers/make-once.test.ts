import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeOnce } from '../../src/servers/provide/make-once.ts';
import { onlyOne } from '../../src/servers/provide/only-one.ts';
import { folderOf, isWhole, whyNot, type Recipe } from '../../src/servers/provide/recipe.ts';

let cache: string;

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'bascule-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', cache);
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

function recipe(make: (folder: string) => Promise<void>): Recipe<string> {
  return { version: '1', locate: (folder) => join(folder, 'program'), make };
}

describe('a program of others', () => {
  it('is made once however many want it', async () => {
    let made = 0;
    const lines: string[] = [];
    const one = recipe(async (folder) => {
      made++;
      await new Promise(setImmediate);
      writeFileSync(join(folder, 'program'), '');
    });
    const wants = [1, 2, 3].map(() => makeOnce('thing', one, (line) => lines.push(line)));
    expect(await Promise.all(wants)).toEqual([true, true, true]);
    expect(made).toBe(1);
    expect(existsSync(one.locate(folderOf('thing', one)))).toBe(true);
    expect(lines.filter((line) => line.includes('waiting'))).toHaveLength(process.platform === 'linux' ? 2 : 0);
    expect(readdirSync(join(cache, 'bascule-tools/servers'))).toEqual(['thing@1']);
  });

  it('is not there when making it failed; the reason is kept, and the next try may succeed', async () => {
    let isLucky = false;
    const unlucky = recipe(async (folder) => {
      writeFileSync(join(folder, 'half'), '');
      if (!isLucky) throw new Error('no network');
    });
    const lines: string[] = [];
    expect(await makeOnce('thing', unlucky, (line) => lines.push(line))).toBe(false);
    expect(lines.at(-1)).toContain('NOT PROVIDED, so its tests will be skipped: no network');
    expect(isWhole('thing', unlucky)).toBe(false);
    expect(whyNot('thing', unlucky)).toBe('no network');
    isLucky = true;
    expect(await makeOnce('thing', unlucky, () => undefined)).toBe(true);
    expect(isWhole('thing', unlucky)).toBe(true);
    expect(readdirSync(join(cache, 'bascule-tools/servers'))).toEqual(['thing@1']);
  });

  it.skipIf(process.platform !== 'linux')('waits for another process, and goes on when that is killed', async () => {
    const program = `
      import { onlyOne } from ${JSON.stringify(join(import.meta.dirname, '../../src/servers/provide/only-one.ts'))};
      await onlyOne(${JSON.stringify(cache)}, () => undefined, () => new Promise(() => {
        console.log('working');
        setInterval(() => undefined, 1 << 30);
      }));`;
    const other = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    const done = await onlyOne(
      cache,
      () => other.kill('SIGKILL'),
      () => Promise.resolve('done'),
    );
    expect(done).toBe('done');
    expect(other.killed).toBe(true);
  });
});
