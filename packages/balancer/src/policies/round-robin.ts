import type { Candidate, Picker, PickRequest, PolicyFactory } from '../policy.ts';
import { firstUsable } from './first-usable.ts';

/**
 * One after another; with unequal weights smoothly, so that {5, 1, 1} gives a a b a c a a rather than a a a a a b c.
 * Source: nginx 52327e0. Starts at a place of chance, or many gateways started together would all begin with the first.
 */
export const createRoundRobin: PolicyFactory<'round-robin'> = ({ weighted }, clock) => {
  let turn = Math.floor(clock.random() * 0x1_0000_0000);
  /** How far each member has swung since its last pick; forgotten with the member. */
  const swings = new WeakMap<Candidate, number>();
  return {
    needsLatency: false,
    decayMs: 0,
    hashes: false,
    refreshMs: 0,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      const equal = !weighted || members.every(({ weight }) => weight === members[0]?.weight);
      const totalWeight = members.reduce((total, { weight }) => total + weight, 0);
      return {
        pick(request: PickRequest) {
          if (!equal) return pickSmoothly(members, totalWeight, swings, request);
          turn = (turn + 1) % 0x1_0000_0000;
          return firstUsable(members, turn % members.length, request);
        },
        reason: () => (equal ? 'next in turn' : 'next in turn by weight'),
      };
    },
  };
};

function pickSmoothly<T extends Candidate>(
  members: readonly T[],
  totalWeight: number,
  swings: WeakMap<Candidate, number>,
  { isOut }: PickRequest,
): T | undefined {
  let best: T | undefined;
  let bestSwing = -Infinity;
  let total = totalWeight;
  for (const member of members) {
    if (isOut?.(member) === true) {
      total -= member.weight;
      continue;
    }
    const swing = (swings.get(member) ?? 0) + member.weight;
    swings.set(member, swing);
    if (swing > bestSwing) {
      best = member;
      bestSwing = swing;
    }
  }
  if (best !== undefined) swings.set(best, bestSwing - total);
  return best;
}
