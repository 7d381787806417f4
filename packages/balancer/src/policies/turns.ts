import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { handOver, type Seat } from './seats.ts';

/**
 * Smooth weighted round robin, in nginx's exact order, at the cost of the number of different weights instead of the
 * number of members.
 *
 * nginx adds its weight to each peer's swing, takes the first of those that have swung farthest, and takes the total of
 * weights from its swing. Peers of one weight swing alike: between two picks of one of them, each of the others is
 * picked once, in the order of the list. So each weight has a queue, only the heads of queues are compared, and a queue
 * swings as one; it goes back by the total when its last member has been taken. With one weight that is round robin.
 *
 * Source: nginx, commit 52327e0 (smooth weighted round-robin balancing).
 */
export class Turns<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #seats: readonly Seat[];
  readonly #total: number;
  readonly #weights: Float64Array;
  /** Swing of each queue's head. */
  readonly #swings: Float64Array;
  /** All queues one after the other, as indices of members; queue `k` ends before `#ends[k]`. */
  readonly #queue: Int32Array;
  readonly #starts: Int32Array;
  readonly #ends: Int32Array;
  readonly #heads: Int32Array;
  /** By how much each place has swung farther than its queue: what members brought from the turns before. */
  readonly #leads: Float64Array;

  /** `queues` has the members' indices by weight, each ascending; `skip` picks are left out where nobody has a turn yet. */
  constructor(
    members: readonly T[],
    seats: readonly Seat[],
    queues: ReadonlyMap<number, number[]>,
    skip: (count: number) => number,
  ) {
    this.#members = members;
    this.#seats = seats;
    this.#weights = Float64Array.from(queues.keys());
    this.#swings = new Float64Array(queues.size);
    this.#queue = new Int32Array(members.length);
    this.#starts = new Int32Array(queues.size);
    this.#ends = new Int32Array(queues.size);
    this.#leads = new Float64Array(members.length);
    let total = 0;
    for (const [weight, queue] of queues) total += weight * queue.length;
    this.#total = total;
    const isFirst = handOver(seats, this);
    let place = 0;
    let k = 0;
    for (const queue of queues.values()) {
      this.#starts[k] = place;
      if (!isFirst) queue.sort((a, b) => swingOf(seats, b) - swingOf(seats, a) || a - b);
      for (const index of queue) {
        this.#queue[place] = index;
        this.#leads[place] = swingOf(seats, index) * total;
        place++;
      }
      this.#swings[k] = this.#leads[this.#starts[k] as number] as number;
      this.#ends[k++] = place;
    }
    this.#heads = this.#starts.slice();
    if (isFirst) for (let left = skip(members.length); left > 0; left--) this.#next();
  }

  pick({ isOut }: PickRequest): T | undefined {
    if (isOut !== undefined) return this.#nextUsable(isOut);
    return this.#members.length === 0 ? undefined : this.#members[this.#next()];
  }

  reason(): string {
    return this.#weights.length === 1 ? 'next in turn' : 'next in turn by weight';
  }

  /** Writes to their seats the swings of those that nobody else has counted since. */
  settle(): void {
    for (let k = 0; k < this.#heads.length; k++) {
      const head = this.#heads[k] as number;
      const swing = (this.#swings[k] as number) - (this.#leads[head] as number);
      for (let place = this.#starts[k] as number; place < (this.#ends[k] as number); place++) {
        const seat = this.#seats[this.#queue[place] as number] as Seat;
        if (seat.turns !== this) continue;
        seat.swing = (swing + (this.#leads[place] as number)) / this.#total - (place < head ? 1 : 0);
      }
    }
  }

  #next(): number {
    const swings = this.#swings;
    const weights = this.#weights;
    let best = 0;
    let farthest = -Infinity;
    for (let k = 0; k < swings.length; k++) {
      const swing = (swings[k] as number) + (weights[k] as number);
      swings[k] = swing;
      if (swing > farthest || (swing === farthest && this.#headOf(k) < this.#headOf(best))) {
        best = k;
        farthest = swing;
      }
    }
    return this.#take(best);
  }

  #headOf(k: number): number {
    return this.#queue[this.#heads[k] as number] as number;
  }

  #take(k: number): number {
    const place = this.#heads[k] as number;
    let next = place + 1;
    let moved = 0;
    if (next === this.#ends[k]) {
      next = this.#starts[k] as number;
      moved = this.#total;
    }
    this.#heads[k] = next;
    this.#swings[k] =
      (this.#swings[k] as number) + (this.#leads[next] as number) - (this.#leads[place] as number) - moved;
    return this.#queue[place] as number;
  }

  #nextUsable(isOut: (candidate: Candidate) => boolean): T | undefined {
    let best = -1;
    let bestPlace = 0;
    let farthest = -Infinity;
    for (let k = 0; k < this.#swings.length; k++) {
      this.#swings[k] = (this.#swings[k] as number) + (this.#weights[k] as number);
      const place = this.#firstUsable(k, isOut);
      if (place !== this.#heads[k]) this.#boundHead(k);
      if (place < 0) continue;
      const swing = this.#baseOf(k) + this.#leadAt(k, place);
      if (swing < farthest) continue;
      if (swing === farthest && (this.#queue[place] as number) > (this.#queue[bestPlace] as number)) continue;
      best = k;
      bestPlace = place;
      farthest = swing;
    }
    if (best < 0) return undefined;
    this.#moveToHead(best, bestPlace);
    return this.#members[this.#take(best)];
  }

  #firstUsable(k: number, isOut: (candidate: Candidate) => boolean): number {
    const head = this.#heads[k] as number;
    const end = this.#ends[k] as number;
    for (let place = head; place < end; place++) if (!isOut(this.#at(place))) return place;
    for (let place = this.#starts[k] as number; place < head; place++) if (!isOut(this.#at(place))) return place;
    return -1;
  }

  #at(place: number): T {
    return this.#members[this.#queue[place] as number] as T;
  }

  /** What all of queue `k` have swung, but for what each brought along. */
  #baseOf(k: number): number {
    return (this.#swings[k] as number) - (this.#leads[this.#heads[k] as number] as number);
  }

  /** By how much a place has swung farther than its queue; behind the head stand those who have had their turn. */
  #leadAt(k: number, place: number): number {
    return (this.#leads[place] as number) - (place < (this.#heads[k] as number) ? this.#total : 0);
  }

  /** Who is out for long swings no farther than the total, or it would get many calls at once when it is back. */
  #boundHead(k: number): void {
    const excess = (this.#swings[k] as number) - this.#total;
    if (excess <= 0) return;
    const head = this.#heads[k] as number;
    this.#leads[head] = (this.#leads[head] as number) - excess;
    this.#swings[k] = this.#total;
  }

  /** Puts a place's member before those who are due before it; they keep their order and their swings. */
  #moveToHead(k: number, place: number): void {
    const head = this.#heads[k] as number;
    if (place === head) return;
    const base = this.#baseOf(k);
    const start = this.#starts[k] as number;
    const index = this.#queue[place] as number;
    const lead = this.#leadAt(k, place);
    for (let to = place; to !== head;) {
      const from = to === start ? (this.#ends[k] as number) - 1 : to - 1;
      this.#queue[to] = this.#queue[from] as number;
      // From the last place to the first it comes to stand behind the head, and must not lose by that.
      this.#leads[to] = (this.#leads[from] as number) + (to === start ? this.#total : 0);
      to = from;
    }
    this.#queue[head] = index;
    this.#leads[head] = lead;
    this.#swings[k] = base + lead;
  }
}

function swingOf(seats: readonly Seat[], index: number): number {
  return (seats[index] as Seat).swing;
}
