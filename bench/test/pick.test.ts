import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SavedReport } from '../src/report.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', 'src', 'main.ts');

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-bench-test-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

describe('bench pick', () => {
  it('measures a policy at each size', async () => {
    const file = join(folder, 'pick.json');
    await run(process.execPath, [MAIN, 'pick', '--smoke', '--subjects=orca', `--json=${file}`]);
    const { rows } = JSON.parse(await readFile(file, 'utf8')) as SavedReport;
    const works = new Set(rows.map(({ work }) => work));
    expect([...works]).toEqual(['10 endpoints', '1000 endpoints', '10000 endpoints']);
    for (const row of rows.filter(({ unit }) => unit === 'ns')) expect(row.median).toBeGreaterThan(0);
  });
});
