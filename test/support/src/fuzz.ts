/** How a random test runs. */
export interface Fuzzing {
  readonly seed: number;
  readonly numRuns: number;
}

const FIXED = process.env['FUZZ_SEED'] ?? (process.env['CI'] === undefined ? undefined : '1');
const SEED = FIXED === undefined ? Math.trunc(Math.random() * 2 ** 31) : Number(FIXED);
const FACTOR = Number(process.env['FUZZ_RUNS'] ?? 1);

/**
 * Parameters for `fc.assert`. `numRuns` is what a short run does; FUZZ_RUNS=20 does twenty times as many. A failure
 * prints its seed, and FUZZ_SEED replays it. In CI, where CI is set, the seed is always the same.
 */
export function fuzzing(numRuns: number): Fuzzing {
  return { seed: SEED, numRuns: Math.max(1, Math.round(numRuns * FACTOR)) };
}

/** Time for `numRuns` that take `shortMs` at most in a short run, in ms. */
export function fuzzTimeoutMs(shortMs: number): number {
  return shortMs * Math.max(1, FACTOR);
}
