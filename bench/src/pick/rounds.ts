/** One pick and its return, for a call of this key. */
export type Pick = (hashHigh: number, hashLow: number) => void;

/** Keys of chance, made beforehand. */
const KEYS = 1 << 12;
const WARM_UP_PICKS = 200_000;
/** Too few for the collector to run in each round, enough for a few bytes per pick to be seen. */
const COUNTED_PICKS = 20_000;
const COUNTED_ROUNDS = 30;

const keys = Int32Array.from({ length: 2 * KEYS }, () => Math.floor(Math.random() * 0x8000_0000));

/** Part of the rounds that counts: one that shared its core with anything else says nothing of a pick. */
const COUNTING_PART = 1 / 3;

/** Nanoseconds per pick, of the fastest rounds. Rounds are short, a few ms, so that some have the core for themselves. */
export function timeRounds(pick: Pick, rounds: number, picks: number): number[] {
  run(pick, WARM_UP_PICKS);
  const all = Array.from({ length: rounds }, () => {
    const beganMs = performance.now();
    run(pick, picks);
    return ((performance.now() - beganMs) * 1e6) / picks;
  });
  return fastest(all);
}

/** The values that count. */
export function fastest(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b).slice(0, Math.max(1, Math.round(values.length * COUNTING_PART)));
}

/** Bytes that a pick leaves on the heap. Rounds in which the collector ran count for nothing. */
export function countBytes(pick: Pick): number {
  const counted: number[] = [];
  for (let round = 0; round < COUNTED_ROUNDS; round++) {
    const before = process.memoryUsage().heapUsed;
    run(pick, COUNTED_PICKS);
    const grown = process.memoryUsage().heapUsed - before;
    if (grown >= 0) counted.push(grown / COUNTED_PICKS);
  }
  return Math.min(...counted);
}

function run(pick: Pick, picks: number): void {
  for (let i = 0; i < picks; i++) {
    const key = (i & (KEYS - 1)) << 1;
    pick(keys[key] as number, keys[key + 1] as number);
  }
}
