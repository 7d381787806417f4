/**
 * `npm run conformance [-- --full] [-- NAME...]`: runs the conformance suite over everything that speaks, prints passed /
 * total, and keeps the figures under `results/`. With names, the runs whose id holds one of them, and keeps nothing.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GO_TOOLS, hasGo } from '@bascule/testing/go-tool';
import { formatGrid } from './grid.ts';
import type { Tier } from './narrowing.ts';
import { runSuite, type Outcome } from './run.ts';
import { listRuns } from './runs.ts';

const names = process.argv.slice(2).filter((argument) => argument !== '--full');
const tier: Tier = process.argv.includes('--full') ? 'full' : 'short';
if (!hasGo()) {
  complain('The conformance suite is written in Go: install Go 1.26 or later, then run this again.');
  process.exit(1);
}
const runs = listRuns(tier).filter(({ id }) => names.length === 0 || names.some((name) => id.includes(name)));
if (runs.length === 0) {
  complain(
    `No run has such a name. There are:\n${listRuns(tier)
      .map(({ id }) => `  ${id}`)
      .join('\n')}`,
  );
  process.exit(1);
}
const outcomes: Outcome[] = [];
for (const run of runs) {
  const outcome = await runSuite(run);
  outcomes.push(outcome);
  print(`${run.title}: ${outcome.passed} / ${outcome.total}`);
  for (const failure of outcome.failures) print(failure.trimEnd());
}
const grid = formatGrid(runs, outcomes);
print(`\n${grid}`);
if (names.length === 0) await keep();
if (outcomes.some(({ failures }) => failures.length > 0)) process.exitCode = 1;

async function keep(): Promise<void> {
  const folder = join(import.meta.dirname, 'results');
  await mkdir(folder, { recursive: true });
  const suite = GO_TOOLS.connectconformance.split('@')[1];
  const about = { suite, commit: commit(), node: process.version, tier };
  const cells = outcomes.map(({ id, passed, total }) => ({ id, passed, total }));
  await writeFile(join(folder, `${tier}.json`), `${JSON.stringify({ ...about, runs: cells }, null, 2)}\n`);
  const title = `connectconformance ${suite}, ${tier}, commit ${about.commit}, Node ${process.version}`;
  await writeFile(join(folder, `${tier}.txt`), `${title}\n\n${grid}\n`);
}

/** The commit that is judged; "+" says that files were changed after it. */
function commit(): string {
  const git = (...parameters: string[]): string => execFileSync('git', parameters, { encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--', 'packages') !== '';
  return `${git('rev-parse', '--short', 'HEAD')}${changed ? '+' : ''}`;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function complain(text: string): void {
  process.stderr.write(`${text}\n`);
}
