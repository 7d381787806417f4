import type { Candidate } from '../policy.ts';

/** What is known of a member's turn, for the picker that comes next. */
export interface Seat {
  /** How far it has swung: above 0 it is owed picks, below it has had them. In picks times the total of weights. */
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
 * Hands the members on to `turns`: asks each of those who counted before, once, and bounds what they tell by the total
 * of weights now. Returns whether nobody had been counted yet.
 */
export function handOver(seats: readonly Seat[], turns: { settle(): void }, total: number): boolean {
  const before = new Set<{ settle(): void }>();
  for (const { turns: old } of seats) if (old !== undefined) before.add(old);
  for (const old of before) old.settle();
  for (const seat of seats) {
    seat.turns = turns;
    // One that was heavy among few must not hold the turn for long among others.
    seat.swing = Math.max(-total, Math.min(total, seat.swing));
  }
  return before.size === 0;
}
