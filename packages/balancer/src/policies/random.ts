import { indexAt, type Candidate, type Picker, type PickRequest, type PolicyFactory } from '../policy.ts';
import { firstUsable } from './first-usable.ts';

/** Each member with the same chance, or by its weight, whatever went before. */
export const createRandom: PolicyFactory<'random'> = ({ weighted }, clock) => ({
  needsLatency: false,
  decayMs: 0,
  hashes: false,
  refreshMs: 0,
  *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
    let total = 0;
    const sums = Float64Array.from(members, ({ weight }) => (total += weight));
    const equal = !weighted || members.every(({ weight }) => weight === members[0]?.weight);
    return {
      pick(request: PickRequest) {
        const point = clock.random();
        const index = equal ? Math.floor(point * members.length) : indexAt(sums, point * total);
        return firstUsable(members, index, request);
      },
      reason: () => (equal ? 'drawn' : 'drawn by weight'),
    };
  },
});
