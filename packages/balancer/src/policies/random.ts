import type { Candidate, Picker, PickRequest, PolicyFactory } from '../policy.ts';
import { AliasTable } from './alias-table.ts';
import { Chance } from './chance.ts';
import { firstUsable } from './first-usable.ts';
import { isEven, NO_UPKEEP, numbersOf } from './upkeep.ts';

/** Draws before those who are not out are looked for one by one, which favours who stands behind one that is. */
const DRAWS = 8;

/** Each member with the same chance, or by its weight, whatever went before. O(1). */
export const createRandom: PolicyFactory<'random'> = ({ weighted }, clock) => ({
  ...NO_UPKEEP,
  *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
    const weights = yield* numbersOf(members, ({ weight }) => (weighted ? weight : 1));
    const table = isEven(weights) ? undefined : new AliasTable(weights);
    const chance = new Chance(clock);
    const draw = (): number => (table === undefined ? chance.below(members.length) : table.draw(chance));
    return {
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
      reason: () => (table === undefined ? 'drawn' : 'drawn by weight'),
    };
  },
});
