/**
 * `npm run chaos`: the seeded walk and the attacks of CI, repeated. Each run prints its seed, by which it can be walked
 * again; what came of all of them is kept beside this file.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    /** Walks, each with a seed of its own. */
    runs: { type: 'string', default: '20' },
    /** Length of each walk. */
    seconds: { type: 'string', default: '20' },
    /** The first seed; the others follow it. */
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    /** Rounds of all attacks. */
    attacks: { type: 'string', default: '5' },
  },
});

interface Run {
  readonly name: string;
  readonly ok: boolean;
  /** What a walk counted. */
  readonly summary?: unknown;
}

const ROOT = join(import.meta.dirname, '../..');
const RESULTS = join(import.meta.dirname, 'results');

function runTests(folder: string, env: NodeJS.ProcessEnv): { ok: boolean; output: string } {
  const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', folder];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return { ok: status === 0, output: stdout + stderr };
}

function walk(seed: number): Run {
  const { ok, output } = runTests('test/chaos', { CHAOS_SEED: String(seed), CHAOS_SECONDS: values.seconds });
  const summary = new RegExp(`CHAOS_SEED=${seed} (\\{.*\\})`).exec(output)?.[1];
  if (!ok) console.log(output);
  return { name: `walk ${seed}`, ok, ...(summary === undefined ? {} : { summary: JSON.parse(summary) as unknown }) };
}

function attack(round: number): Run {
  const { ok, output } = runTests('test/attack', {});
  if (!ok) console.log(output);
  return { name: `attacks, round ${round}`, ok };
}

const runs: Run[] = [];
function note(run: Run): void {
  runs.push(run);
  console.log(`${run.ok ? 'ok    ' : 'FAILED'} ${run.name} ${JSON.stringify(run.summary ?? '')}`);
}
for (let i = 0; i < Number(values.runs); i++) note(walk(Number(values.seed) + i));
for (let i = 1; i <= Number(values.attacks); i++) note(attack(i));

const failed = runs.filter(({ ok }) => !ok).length;
const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' }).trim();
const machine = { cpu: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version };
mkdirSync(RESULTS, { recursive: true });
const kept = { commit, machine, secondsPerWalk: Number(values.seconds), failed, runs };
writeFileSync(join(RESULTS, 'chaos.json'), `${JSON.stringify(kept, undefined, 2)}\n`);
console.log(`${runs.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
