import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { keep, keepText } from '../results.ts';
import { summarize, toTable } from './table.ts';
import type { Outcome, Row } from './row.ts';
import { runRow } from './row.ts';
import { ROWS } from './rows.ts';

/** Writes a line. */
type Print = (line: string) => void;

const MAIN = new URL('../main.ts', import.meta.url).pathname;
/** A run that is stuck must not hold up the others for ever. */
const LIMIT_MS = 300_000;
const MAX_SHOWN = 8;

/** Runs rows again and again, each run in a process of its own, and keeps what came of them. CHAOS_SEED replays one run. */
export async function runAll(args: readonly string[], print: Print): Promise<void> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      /** Of each row, each with a seed of its own. */
      runs: { type: 'string', default: '20' },
      /** At once: most of a run is waiting. */
      'at-once': { type: 'string', default: '3' },
      /** The first seed; the others follow it. */
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000_000)) },
    },
  });
  const rows = choose(positionals, print);
  const replayed = process.env['CHAOS_SEED'];
  if (replayed !== undefined) return replay(rows, Number(replayed), print);
  const firstSeed = Number(values.seed);
  const queue = Array.from({ length: Number(values.runs) }, (_, i) =>
    rows.map((row) => ({ row, seed: firstSeed + i })),
  ).flat();
  // What is under way is ended and told; a second signal ends at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => queue.splice(0));
  const outcomes: Outcome[] = [];
  const work = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const outcome = await runApart(next.row, next.seed);
      outcomes.push(outcome);
      tell(outcome, print);
    }
  };
  await Promise.all(Array.from({ length: Number(values['at-once']) }, work));
  const summaries = rows.map((row) => summarize(row, outcomes));
  const table = toTable(rows, summaries);
  print(`\n${table}`);
  const failures = outcomes.filter(({ ok }) => !ok);
  const failed = failures.length;
  if (positionals.length === 0) {
    keep('discovery.json', { firstSeed, failed, rows: summaries, failures });
    keepText('discovery.txt', table);
  }
  print(`${outcomes.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

function choose(names: readonly string[], print: Print): Row[] {
  const unknown = names.find((name) => !ROWS.some((row) => row.name === name));
  if (unknown !== undefined) {
    throw new Error(`there is no row ${unknown}; there are ${ROWS.map(({ name }) => name).join(', ')}`);
  }
  return ROWS.filter((row) => {
    if (names.length > 0 && !names.includes(row.name)) return false;
    const missing = row.missing?.();
    if (missing !== undefined) print(`NOT RUN: ${row.name}, since ${missing}`);
    return missing === undefined;
  });
}

async function replay(rows: readonly Row[], seed: number, print: Print): Promise<void> {
  for (const row of rows) {
    const outcome = await runRow(row, seed, (line) => print(`  ${line}`));
    tell(outcome, print);
    if (!outcome.ok) process.exitCode = 1;
  }
}

/** The role of the processes below. */
export async function runOne([name, seed]: readonly string[], print: Print): Promise<void> {
  const row = ROWS.find((one) => one.name === name);
  if (row === undefined) throw new Error(`there is no row ${name}`);
  // Nobody waits for it when whoever started it has ended, and its servers end with it.
  process.stdin.on('end', () => process.exit()).resume();
  print(JSON.stringify(await runRow(row, Number(seed))));
  // Whatever a run that went wrong has left open.
  process.exit();
}

async function runApart({ name }: Row, seed: number): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, 'run', name, String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  await once(child, 'close');
  clearTimeout(timer);
  const last = output.trimEnd().split('\n').at(-1) ?? '';
  if (last.startsWith('{')) return JSON.parse(last) as Outcome;
  const wrongs = [`it was ended after ${LIMIT_MS / 1000} s, or crashed: ${output}`];
  return { row: name, seed, ok: false, wrongs, story: [], faults: {}, seconds: LIMIT_MS / 1000, measured: undefined };
}

function tell(outcome: Outcome, print: Print): void {
  const { row, seed, ok, seconds, measured, wrongs, story } = outcome;
  print(`${ok ? 'ok    ' : 'FAILED'} ${row} CHAOS_SEED=${seed} (${seconds} s) ${JSON.stringify(measured ?? {})}`);
  if (ok) return;
  for (const line of story.filter((line) => !line.includes('WRONG'))) print(`  ${line}`);
  for (const line of wrongs.slice(0, MAX_SHOWN)) print(`  ${line}`);
  if (wrongs.length > MAX_SHOWN) print(`  and ${wrongs.length - MAX_SHOWN} more`);
}
