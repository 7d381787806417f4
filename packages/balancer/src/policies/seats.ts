import type { Candidate } from '../policy.ts';

/** What is known of a member's turn, for the picker that comes next. */
export interface Seat {
  /**
   * How far it has swung, as a part of the total of weights, since that is another with each change: above 0 it is owed
   * picks, below it has had them.
   */
  swing: number;
  /** Who counts for it at present, and writes `swing` when asked to. */
  turns: { settle(): void } | undefined;
}

/** Seats of all members that a policy has met; forgotten with the member. */
export class Seats {
  readonly #seats = new WeakMap<Candidate, Seat>();

  of(member: Candidate): Seat {
    let seat = this.#seats.get(member);
    if (seat === undefined) {
      seat = { swing: 0, turns: undefined };
      this.#seats.set(member, seat);
    }
    return seat;
  }
}

/**
 * Hands the members on to `turns`: asks each of those who counted before, once. Returns whether nobody had been counted
 * yet.
 */
export function handOver(seats: readonly Seat[], turns: { settle(): void }): boolean {
  const before = new Set<{ settle(): void }>();
  for (const { turns: old } of seats) if (old !== undefined) before.add(old);
  for (const old of before) old.settle();
  for (const seat of seats) {
    seat.turns = turns;
    // Weights that change by much leave swings that no turn leads to: nobody is to be owed more than one.
    seat.swing = Math.max(-1, Math.min(1, seat.swing));
  }
  return before.size === 0;
}
