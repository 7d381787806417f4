import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { keep, ROOT } from './results.ts';

/** Writes a line. */
type Print = (line: string) => void;

interface Run {
  readonly name: string;
  readonly ok: boolean;
  /** What a walk counted. */
  readonly summary?: unknown;
}

/** Walks and attacks, one after the other. */
export function runWalks(args: readonly string[], print: Print): void {
  const { values } = parseArgs({
    args: [...args],
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
  const runs: Run[] = [];
  const note = (run: Run): void => {
    runs.push(run);
    print(`${run.ok ? 'ok    ' : 'FAILED'} ${run.name} ${JSON.stringify(run.summary ?? '')}`);
  };
  for (let i = 0; i < Number(values.runs); i++) note(walk(Number(values.seed) + i, values.seconds, print));
  for (let i = 1; i <= Number(values.attacks); i++) note(attack(i, print));

  const failed = runs.filter(({ ok }) => !ok).length;
  keep('chaos.json', { secondsPerWalk: Number(values.seconds), failed, runs });
  print(`${runs.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

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

function walk(seed: number, seconds: string, print: Print): Run {
  const { ok, output } = runTests('test/chaos/chaos.test.ts', { CHAOS_SEED: String(seed), CHAOS_SECONDS: seconds });
  const summary = new RegExp(`CHAOS_SEED=${seed} (\\{.*\\})`).exec(output)?.[1];
  if (!ok) print(output);
  return { name: `walk ${seed}`, ok, ...(summary === undefined ? {} : { summary: JSON.parse(summary) as unknown }) };
}

function attack(round: number, print: Print): Run {
  const { ok, output } = runTests('test/attack', {});
  if (!ok) print(output);
  return { name: `attacks, round ${round}`, ok };
}
