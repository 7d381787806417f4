import { indexAt, type Candidate, type Candidates, type PolicyFactory } from '../policy.ts';

/**
 * Power of two choices: two different members of chance, the less loaded one gets the call. With unequal weights both
 * the chance and the load count by weight, so an idle set is used by weight and a busy one is loaded by weight.
 * Source: Finagle's P2C (two distinct nodes, a tie goes to the first).
 */
export const createLeastRequest: PolicyFactory = (clock) => (candidates) => {
  const { members } = candidates;
  if (members.length === 1) return members[0] as (typeof members)[number];
  const [a, b] = candidates.equal
    ? chooseTwo(members, clock.random(), clock.random())
    : chooseTwoByWeight(candidates, clock.random(), clock.random());
  // By cross-multiplication: as openCalls / weight, without a division.
  return b.openCalls * a.weight < a.openCalls * b.weight ? b : a;
};

function chooseTwo<T>(members: readonly T[], chanceA: number, chanceB: number): [T, T] {
  const a = Math.floor(chanceA * members.length);
  const b = Math.floor(chanceB * (members.length - 1));
  return [members[a] as T, members[b >= a ? b + 1 : b] as T];
}

/** The second is drawn from the total without the first one's share, so it is another without trying twice. */
function chooseTwoByWeight<T extends Candidate>(from: Candidates<T>, chanceA: number, chanceB: number): [T, T] {
  const { members, sums, totalWeight } = from;
  const indexA = indexAt(sums, chanceA * totalWeight);
  const a = members[indexA] as T;
  const startA = (sums[indexA] as number) - a.weight;
  const point = chanceB * (totalWeight - a.weight);
  const indexB = indexAt(sums, point < startA ? point : point + a.weight);
  return [a, members[indexB] as T];
}
