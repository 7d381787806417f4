import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(import.meta.dirname, 'results');

/** Writes what came of runs, with where it came from, beside this file. */
export function keep(name: string, results: object): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
  const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version };
  keepText(name, `${JSON.stringify({ commit, machine, ...results }, undefined, 2)}\n`);
}

export function keepText(name: string, text: string): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, name), text);
}
