import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { keep, keepText } from '../results.ts';
import { runBalancing, type Outcome } from './run.ts';
import { toTable } from './table.ts';

type Print = (line: string) => void;

const MAIN = new URL('../main.ts', import.meta.url).pathname;
/** A run that is stuck must not hold up the others for ever: so long beside its own time. */
const PATIENCE_MS = 120_000;
const MAX_SHOWN = 8;

/** Runs again and again, each run in a process of its own, and keeps what came of them. CHAOS_SEED replays one run. */
export async function runAll(args: readonly string[], print: Print): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      runs: { type: 'string', default: '20' },
      /** At once: the machine should have cores for all of them. */
      'at-once': { type: 'string', default: '1' },
      /** The first seed; the others follow it. */
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
      /** How long backends are shaken in one run. */
      seconds: { type: 'string', default: '120' },
    },
  });
  const seconds = Number(values.seconds);
  const replayed = process.env['CHAOS_SEED'];
  if (replayed !== undefined) {
    const outcome = await runBalancing(Number(replayed), seconds, (line) => print(`  ${line}`));
    tell(outcome, print);
    process.exitCode = outcome.verdict === 'ok' ? 0 : 1;
    return;
  }
  const firstSeed = Number(values.seed);
  const queue = Array.from({ length: Number(values.runs) }, (_, i) => firstSeed + i);
  // What is under way is ended and told; a second signal ends at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => queue.splice(0));
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let seed = queue.shift(); seed !== undefined; seed = queue.shift()) {
      const outcome = await runApart(seed, seconds);
      outcomes.push(outcome);
      tell(outcome, print);
    }
  };
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work));
  const table = toTable(outcomes);
  print(`\n${table}`);
  const failures = outcomes.filter(({ verdict }) => verdict === 'failed');
  const runs = outcomes.map((outcome) => ({ ...outcome, story: undefined }));
  keep('balancing.json', { firstSeed, seconds, failed: failures.length, runs, failures });
  keepText('balancing.txt', table);
  process.exitCode = outcomes.every(({ verdict }) => verdict === 'ok') ? 0 : 1;
}

/** The role of the processes below. */
export async function runOne([seed, seconds]: readonly string[], print: Print): Promise<void> {
  // Nobody waits for it when whoever started it has ended, and its servers end with it.
  process.stdin.on('end', () => process.exit()).resume();
  print(JSON.stringify(await runBalancing(Number(seed), Number(seconds))));
  // Whatever a run that went wrong has left open.
  process.exit();
}

async function runApart(seed: number, seconds: number): Promise<Outcome> {
  const args = [MAIN, 'run-balancing', String(seed), String(seconds)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const limitMs = seconds * 1000 + PATIENCE_MS;
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
  await once(child, 'close');
  clearTimeout(timer);
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (last.startsWith('{')) return JSON.parse(last) as Outcome;
  const wrongs = [`it was ended after ${limitMs / 1000} s, or crashed: ${output}`];
  const nothing = { policy: '', workers: 0, story: [], faults: {}, measured: undefined };
  return { ...nothing, seed, verdict: 'failed', wrongs, seconds: limitMs / 1000 };
}

function tell({ seed, policy, workers, verdict, seconds, measured, wrongs, story }: Outcome, print: Print): void {
  const about = `${policy}, ${workers} workers (${seconds} s)`;
  print(`${verdict.padEnd(6)} CHAOS_SEED=${seed} ${about} ${JSON.stringify(measured ?? {})}`);
  if (verdict === 'ok') return;
  for (const line of story.filter((each) => !each.includes('WRONG'))) print(`  ${line}`);
  for (const line of wrongs.slice(0, MAX_SHOWN)) print(`  ${line}`);
  if (wrongs.length > MAX_SHOWN) print(`  and ${wrongs.length - MAX_SHOWN} more`);
}
