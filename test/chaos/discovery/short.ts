import { expect, it } from 'vitest';
import { runRow, type Row } from './row.ts';

/** One seed for everybody's test runs; long runs choose theirs. */
const SEED = Number(process.env['CHAOS_SEED'] ?? 601_749_810);
/** Most of a run is waiting. */
const AT_ONCE = 2;
/** A row waits for its turn as well. Each wait within one has an end of its own. */
const TIMEOUT_MS = 1_200_000;

/** Each row once. */
export function testRows(rows: readonly Row[]): void {
  const waiting: (() => void)[] = [];
  let running = 0;
  it.concurrent.for(rows)('$name (CHAOS_SEED=' + SEED + ')', { timeout: TIMEOUT_MS }, async (row, context) => {
    const missing = row.missing?.();
    context.skip(missing !== undefined, missing);
    if (running === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    const outcome = await runRow(row, SEED);
    running--;
    waiting.shift()?.();
    const summary = `CHAOS_SEED=${SEED} ${row.name} (${outcome.seconds} s) ${JSON.stringify(outcome.measured ?? {})}`;
    process.stdout.write(`${summary}\n`);
    expect(outcome.wrongs.slice(0, 10), `${summary}\n${outcome.story.slice(-100).join('\n')}\n`).toEqual([]);
  });
}
