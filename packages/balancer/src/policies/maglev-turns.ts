import type { Work } from './hash-work.ts';

/**
 * Who takes the next place of a table of `size`, in order. In each round, from the first member to the last, one takes a
 * place if `round * weight` has reached what it has taken times the greatest weight: the heaviest in each round, one a
 * third as heavy in every third. The rounds of each member are computed, since trying all members in each round would
 * take minutes with one heavy member among thousands of light ones. Source: Envoy's `MaglevTable`.
 */
export function* maglevTurns(weights: readonly number[], size: number, work: Work): Generator<undefined, Uint32Array> {
  const heaviest = weights.reduce((most, weight) => Math.max(most, weight), 0);
  const rounds = yield* roundsNeeded(weights, heaviest, size, work);
  const starts = new Uint32Array(rounds + 2);
  for (const weight of weights) {
    for (let taken = 0, round = 1; round <= rounds; round = roundOf(++taken, heaviest, weight)) {
      starts[round + 1] = (starts[round + 1] as number) + 1;
      if (work.spend(0.4)) yield undefined;
    }
  }
  yield* work.over(rounds + 1, 0.2, (from, to) => {
    for (let round = from; round < to; round++) {
      starts[round + 1] = (starts[round + 1] as number) + (starts[round] as number);
    }
  });
  const turns = new Uint32Array(starts[rounds + 1] as number);
  // Members in order, each into the rounds that are its own: a counting sort by round, which keeps the order.
  for (const [index, weight] of weights.entries()) {
    for (let taken = 0, round = 1; round <= rounds; round = roundOf(++taken, heaviest, weight)) {
      const turn = starts[round] as number;
      starts[round] = turn + 1;
      turns[turn] = index;
      if (work.spend(0.4)) yield undefined;
    }
  }
  return turns.subarray(0, size);
}

/** Round in which a member takes its next place after `taken`. */
function roundOf(taken: number, heaviest: number, weight: number): number {
  return weight === heaviest ? taken + 1 : Math.ceil((taken * heaviest) / weight);
}

/** The fewest rounds in which all places are taken. */
function* roundsNeeded(
  weights: readonly number[],
  heaviest: number,
  size: number,
  work: Work,
): Generator<undefined, number> {
  let low = 1;
  // The heaviest takes a place in each round.
  let high = size;
  while (low < high) {
    const middle = (low + high) >> 1;
    let taken = 0;
    yield* work.over(weights.length, 0.3, (from, to) => {
      for (let index = from; index < to; index++) {
        const weight = weights[index] as number;
        taken += weight === heaviest ? middle : 1 + Math.floor((middle * weight) / heaviest);
      }
    });
    if (taken >= size) high = middle;
    else low = middle + 1;
  }
  // One more, as divisions round: too many turns are cut off, too few would leave places free.
  return low + 1;
}
