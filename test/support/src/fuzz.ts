/** How a random test runs. */
export interface Fuzzing {
  readonly seed: number;
  readonly numRuns: number;
}

const GIVEN = process.env['FUZZ_SEED'] ?? '1';
const SEED = GIVEN === 'random' ? Math.trunc(Math.random() * 2 ** 31) : Number(GIVEN);
const FACTOR = Number(process.env['FUZZ_RUNS'] ?? 1);

/**
 * Parameters for `fc.assert`, and the seed of every other random test. `numRuns` is what a short run does; FUZZ_RUNS=20
 * does twenty times as many. The seed is the same in every run, so that a change is blamed for what it broke and for
 * nothing else; FUZZ_SEED=random draws another, which a failure prints, and FUZZ_SEED=<that> replays it.
 */
export function fuzzing(numRuns: number): Fuzzing {
  return { seed: SEED, numRuns: Math.max(1, Math.round(numRuns * FACTOR)) };
}

/** Time for `numRuns` that take `shortMs` at most in a short run, in ms. */
export function fuzzTimeoutMs(shortMs: number): number {
  return shortMs * Math.max(1, FACTOR);
}
