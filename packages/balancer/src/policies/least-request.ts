import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { Choices } from './choices.ts';
import { Waits } from './deadlines.ts';
import { isEven, NO_UPKEEP, numbersOf } from './upkeep.ts';

/**
 * Fewest open calls, of some drawn by chance: O(choiceCount), with all compared where they are few. With unequal weights
 * they are scheduled by `weight / (load + 1) ^ activeRequestBias`, O(log n), whatever their number. Streams that talk
 * count as more than one call.
 *
 * Source: Envoy's least request, gRFC A48 (`choiceCount` from 2 to 10).
 */
export const createLeastRequest: PolicyFactory<'least-request'> = (spec, clock) => {
  const waits = new Waits();
  return {
    ...NO_UPKEEP,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      const weights = yield* numbersOf(members, ({ weight }) => weight);
      if (!isEven(weights)) return yield* waits.continued(members, spec.activeRequestBias, clock);
      return new Choices(members, weights, {
        clock,
        choiceCount: spec.choiceCount,
        fullScanUpTo: spec.fullScanUpTo,
        cost: { kind: 'load' },
        reason: ({ openCalls }, count) => `fewest open calls of ${count} (${openCalls})`,
      });
    },
  };
};
