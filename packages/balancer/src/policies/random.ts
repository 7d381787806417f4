import { indexAt, type PolicyFactory } from '../policy.ts';

/** Each member with a chance by its weight, whatever went before. */
export const createRandom: PolicyFactory = (clock) => (candidates) => {
  const { members, sums, totalWeight, equal } = candidates;
  const index = equal ? Math.floor(clock.random() * members.length) : indexAt(sums, clock.random() * totalWeight);
  return members[index] as (typeof members)[number];
};
