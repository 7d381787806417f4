import type { Clock } from '@bascule/core';
import type { Candidate, Picker } from '../policy.ts';
import { Bands } from './bands.ts';
import type { Seat, Seats } from './seats.ts';
import { Turns } from './turns.ts';
import { numbersOf, STEP_MEMBERS } from './upkeep.ts';

/** Different weights that are compared at each pick; above it {@link Bands} take over. */
export const MAX_EXACT_WEIGHTS = 32;

/**
 * A picker by turns, which goes on where the turns of these members were. Many gateways that are started together would
 * all begin with the same member: where nobody has a turn yet, a number of picks by chance is left out.
 */
export function* prepareTurns<T extends Candidate>(
  members: readonly T[],
  weightOf: (member: T) => number,
  seats: Seats,
  clock: Clock,
): Generator<undefined, Picker<T>> {
  const weights = yield* numbersOf(members, weightOf);
  const queues = new Map<number, number[]>();
  for (let index = 0; index < weights.length && queues.size <= MAX_EXACT_WEIGHTS; index++) {
    const weight = weights[index] as number;
    const queue = queues.get(weight);
    if (queue === undefined) queues.set(weight, [index]);
    else queue.push(index);
  }
  const own: Seat[] = [];
  for (const [index, member] of members.entries()) {
    if (index % STEP_MEMBERS === STEP_MEMBERS - 1) yield;
    own.push(seats.of(member));
  }
  yield;
  if (queues.size > MAX_EXACT_WEIGHTS) return new Bands(members, own, weights, () => clock.random());
  return new Turns(members, own, queues, (count) => Math.floor(clock.random() * count));
}
