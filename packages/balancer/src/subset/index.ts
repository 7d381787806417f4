import type { SubsetPolicy } from '../balancing-policy.ts';
import { apertureSubset } from './aperture.ts';
import { randomSubset } from './random.ts';

/** What subsetting must know of a member. */
export interface Subsettable {
  /** Instance id: stable over restarts, the same in every process. */
  readonly id: string;
  /** As configured, without slow start or load, or subsets would not be the same in every process. Above 0. */
  readonly weight: number;
}

/** A member that this process uses. */
export interface Share<T> {
  readonly member: T;
  /** Part of the member's weight that counts here, above 0 up to 1. */
  readonly share: number;
}

/**
 * The members that one of many processes uses, so that each has few connections and every member still gets its part.
 * Whoever comes or goes, the rest of a subset stays as much as its kind allows. Empty only for no members.
 */
export function subsetOf<T extends Subsettable>(members: readonly T[], policy: SubsetPolicy): Share<T>[] {
  return policy.kind === 'random' ? randomSubset(members, policy.size, policy.seed) : apertureSubset(members, policy);
}
