import type { Candidate, Candidates, PolicyFactory } from '../policy.ts';

/**
 * One after another; with unequal weights smoothly, so that {5, 1, 1} gives a a b a c a a rather than a a a a a b c.
 * Source: nginx 52327e0. Starts at a place of chance, or many gateways started together would all begin with the first.
 */
export const createRoundRobin: PolicyFactory = (clock) => {
  let turn = Math.floor(clock.random() * 0x1_0000_0000);
  /** How far each member has swung since its last pick; forgotten with the member. */
  const swings = new WeakMap<Candidate, number>();
  return (candidates) => {
    if (!candidates.equal) return pickSmoothly(candidates, swings);
    turn = (turn + 1) % 0x1_0000_0000;
    const { members } = candidates;
    return members[turn % members.length] as (typeof members)[number];
  };
};

function pickSmoothly<T extends Candidate>(candidates: Candidates<T>, swings: WeakMap<Candidate, number>): T {
  const { members, totalWeight } = candidates;
  let best = members[0] as T;
  let bestSwing = -Infinity;
  for (const member of members) {
    const swing = (swings.get(member) ?? 0) + member.weight;
    swings.set(member, swing);
    if (swing > bestSwing) {
      best = member;
      bestSwing = swing;
    }
  }
  swings.set(best, bestSwing - totalWeight);
  return best;
}
