import type { Policy } from '../policy.ts';

/** Traits of a policy that looks at weights and open calls only. */
export const NO_UPKEEP: Omit<Policy, 'prepare'> = { needsLatency: false, decayMs: 0, hashes: false, refreshMs: 0 };

/** Members that a table is built for between two steps: well below a millisecond. */
export const STEP_MEMBERS = 2_048;

const NO_STEPS: readonly undefined[] = [];

/** A preparation that is done with its first step. */
export function* atOnce<P>(picker: P): Generator<undefined, P> {
  yield* NO_STEPS;
  return picker;
}
