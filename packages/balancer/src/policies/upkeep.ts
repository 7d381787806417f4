import type { Policy } from '../policy.ts';

/** Traits of a policy that looks at weights and open calls only. */
export const NO_UPKEEP: Omit<Policy, 'prepare'> = { needsLatency: false, decayMs: 0, hashes: false, refreshMs: 0 };

/** Traits of a policy that looks at the key's hash only. */
export const HASHES: Omit<Policy, 'prepare'> = { ...NO_UPKEEP, hashes: true };

/** Members that a table is built for between two steps: well below a millisecond. */
export const STEP_MEMBERS = 2_048;

/** A number of each member, in steps. */
export function* numbersOf<T>(members: readonly T[], read: (member: T) => number): Generator<undefined, Float64Array> {
  const numbers = new Float64Array(members.length);
  for (let index = 0; index < members.length; index++) {
    if (index % STEP_MEMBERS === STEP_MEMBERS - 1) yield;
    numbers[index] = read(members[index] as T);
  }
  return numbers;
}

/** Whether all are the same. */
export function isEven(numbers: Float64Array): boolean {
  return numbers.every((number) => number === numbers[0]);
}
