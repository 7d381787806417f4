import { indexAt, type Candidate, type Picker, type PickRequest, type PolicyFactory } from '../policy.ts';
import { firstUsable } from './first-usable.ts';
import { atOnce, NO_UPKEEP } from './upkeep.ts';

/** Draws before those who are not out are looked for one by one, which favours who stands behind one that is. */
const DRAWS = 8;

/** Each member with the same chance, O(1), or by its weight, O(log n), whatever went before. */
export const createRandom: PolicyFactory<'random'> = ({ weighted }, clock) => ({
  ...NO_UPKEEP,
  prepare<T extends Candidate>(members: readonly T[]) {
    let total = 0;
    const sums = Float64Array.from(members, ({ weight }) => (total += weight));
    const isEven = !weighted || members.every(({ weight }) => weight === members[0]?.weight);
    const draw = isEven
      ? (): number => Math.floor(clock.random() * members.length)
      : (): number => indexAt(sums, clock.random() * total);
    return atOnce<Picker<T>>({
      pick(request: PickRequest) {
        const { isOut } = request;
        let index = draw();
        if (isOut === undefined) return members[index];
        for (let left = DRAWS - 1; left > 0 && members.length > 0; left--) {
          if (!isOut(members[index] as T)) return members[index];
          index = draw();
        }
        return firstUsable(members, index, request);
      },
      reason: () => (isEven ? 'drawn' : 'drawn by weight'),
    });
  },
});
