import { indexAt, type Candidate, type Picker, type PickRequest, type PolicyFactory } from '../policy.ts';
import { firstUsable } from './first-usable.ts';

/**
 * Power of two choices: two different members of chance, the less loaded one gets the call. With unequal weights both
 * the chance and the load count by weight, so an idle set is used by weight and a busy one is loaded by weight.
 * Source: Finagle's P2C (two distinct nodes, a tie goes to the first).
 */
export const createLeastRequest: PolicyFactory<'least-request'> = (_spec, clock) => ({
  needsLatency: false,
  decayMs: 0,
  hashes: false,
  refreshMs: 0,
  *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
    let total = 0;
    const sums = Float64Array.from(members, ({ weight }) => (total += weight));
    const equal = members.every(({ weight }) => weight === members[0]?.weight);
    return {
      pick(request: PickRequest) {
        if (members.length === 1) return firstUsable(members, 0, request);
        const indexA = equal ? Math.floor(clock.random() * members.length) : indexAt(sums, clock.random() * total);
        const a = members[indexA] as T;
        let indexB: number;
        if (equal) {
          indexB = Math.floor(clock.random() * (members.length - 1));
          if (indexB >= indexA) indexB++;
        } else {
          // The second is drawn from the total without the first one's share, so it is another without trying twice.
          const point = clock.random() * (total - a.weight);
          indexB = indexAt(sums, point < (sums[indexA] as number) - a.weight ? point : point + a.weight);
        }
        const b = members[indexB] as T;
        const { isOut } = request;
        if (isOut !== undefined && isOut(a)) return firstUsable(members, indexB, request);
        if (isOut !== undefined && isOut(b)) return a;
        // By cross-multiplication: as load / weight, without a division.
        return b.load * a.weight < a.load * b.weight ? b : a;
      },
      reason: (chosen) => `fewest open calls of 2 drawn (${chosen.openCalls})`,
    };
  },
});
