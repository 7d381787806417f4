import type { Clock } from '@bascule/core';

/** What a policy may know of a member. */
export interface Candidate {
  /** Above 0. */
  readonly weight: number;
  /** Calls lent and not yet given back. */
  readonly openCalls: number;
}

/** Those who can take a call, at least one, prepared once per change rather than once per pick. */
export interface Candidates<T extends Candidate> {
  readonly members: readonly T[];
  /** Weights up to and including each member. */
  readonly sums: readonly number[];
  readonly totalWeight: number;
  /** All weights are the same, as is usual: the cheap ways are enough. */
  readonly equal: boolean;
}

/** Chooses one of the candidates. May keep a state of its own, which must stand any change of candidates. */
type Policy = <T extends Candidate>(candidates: Candidates<T>) => T;

/** Makes a policy. */
export type PolicyFactory = (clock: Clock) => Policy;

/** Prepares members; undefined for none. */
export function createCandidates<T extends Candidate>(members: readonly T[]): Candidates<T> | undefined {
  const first = members[0];
  if (first === undefined) return undefined;
  let totalWeight = 0;
  const sums = members.map((member) => (totalWeight += member.weight));
  return { members, sums, totalWeight, equal: members.every((member) => member.weight === first.weight) };
}

/** Index of the member whose share of the total weight holds `point`, which is in [0, totalWeight). */
export function indexAt(sums: readonly number[], point: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}
