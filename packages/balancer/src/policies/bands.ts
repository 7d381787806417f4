import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { handOver, type Seat } from './seats.ts';
import { MAX_STRIDE_WEIGHT, Stride } from './stride.ts';

/** Bands at most. */
const MAX_BANDS = 24;
/** Steps within a band before all of it are looked at for one that is not out. */
const TRIES = 8;

/** Members of like weight, and their turns. */
interface Band {
  readonly indices: Int32Array;
  readonly stride: Stride;
}

/**
 * Weighted turns for more different weights than can be compared at each pick. Members of like weight form a band; bands
 * take smooth turns by the sum of their weights, and members of one by static stride. Shares are by weight, and the cost
 * of a pick does not depend on the number of members or weights; the order is near to nginx's, not the same.
 */
export class Bands<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #seats: readonly Seat[];
  readonly #bands: Band[] = [];
  readonly #weights: Float64Array;
  readonly #swings: Float64Array;
  readonly #total: number;

  constructor(
    members: readonly T[],
    seats: readonly Seat[],
    queues: ReadonlyMap<number, number[]>,
    chance: () => number,
  ) {
    this.#members = members;
    this.#seats = seats;
    const groups = toBands(queues);
    this.#weights = Float64Array.from(groups, (group) => sumOf(group, ([weight, queue]) => weight * queue.length));
    this.#total = sumOf(this.#weights, (weight) => weight);
    this.#swings = new Float64Array(groups.length);
    const isFirst = handOver(seats, this, this.#total);
    groups.forEach((group, k) => {
      const highest = Math.max(...group.map(([weight]) => weight));
      const scaled = group.flatMap(([weight, queue]) =>
        queue.map((index) => ({ index, weight: Math.round((weight / highest) * MAX_STRIDE_WEIGHT) })),
      );
      const indices = Int32Array.from(scaled, ({ index }) => index);
      const weights = Uint16Array.from(scaled, ({ weight }) => weight);
      this.#bands.push({ indices, stride: new Stride(weights, Math.floor(chance() * 0x1_0000_0000)) });
      // A set that is prepared often must not begin with the heavy ones each time.
      this.#swings[k] = isFirst
        ? chance() * (this.#weights[k] as number)
        : sumOf(indices, (index) => (seats[index] as Seat).swing);
    });
  }

  pick({ isOut }: PickRequest): T | undefined {
    if (isOut !== undefined) return this.#nextUsable(isOut);
    this.#swing();
    const { indices, stride } = this.#take(this.#farthest(Infinity, -1));
    return this.#members[indices[stride.next()] as number];
  }

  reason(): string {
    return 'next in turn by weight, among those of like weight';
  }

  /** Writes to each member's seat its part of its band's swing. */
  settle(): void {
    this.#bands.forEach(({ indices }, k) => {
      const swing = (this.#swings[k] as number) / indices.length;
      for (const index of indices) (this.#seats[index] as Seat).swing = swing;
    });
  }

  #swing(): void {
    for (let k = 0; k < this.#swings.length; k++) {
      // A band whose members are all out for long must not be owed more than one round.
      const swing = (this.#swings[k] as number) + (this.#weights[k] as number);
      this.#swings[k] = swing > this.#total ? this.#total : swing;
    }
  }

  /** The band that has swung farthest, of those behind one that is known; -1 without any. */
  #farthest(below: number, after: number): number {
    let best = -1;
    let farthest = -Infinity;
    for (let k = 0; k < this.#swings.length; k++) {
      const swing = this.#swings[k] as number;
      if (swing <= farthest || swing > below || (swing === below && k <= after)) continue;
      best = k;
      farthest = swing;
    }
    return best;
  }

  #take(k: number): Band {
    this.#swings[k] = (this.#swings[k] as number) - this.#total;
    return this.#bands[k] as Band;
  }

  #nextUsable(isOut: (candidate: Candidate) => boolean): T | undefined {
    this.#swing();
    let k = this.#farthest(Infinity, -1);
    while (k >= 0) {
      const member = this.#usableOf(k, isOut);
      if (member !== undefined) {
        this.#take(k);
        return member;
      }
      k = this.#farthest(this.#swings[k] as number, k);
    }
    return undefined;
  }

  #usableOf(k: number, isOut: (candidate: Candidate) => boolean): T | undefined {
    const { indices, stride } = this.#bands[k] as Band;
    let place = 0;
    for (let left = TRIES; left > 0; left--) {
      place = stride.next();
      const member = this.#members[indices[place] as number] as T;
      if (!isOut(member)) return member;
    }
    for (let step = 1; step < indices.length; step++) {
      const member = this.#members[indices[(place + step) % indices.length] as number] as T;
      if (!isOut(member)) return member;
    }
    return undefined;
  }
}

type Queues = [weight: number, queue: number[]][];

/** Weights by like size: from one band to the next they grow by the same factor. */
function toBands(queues: ReadonlyMap<number, number[]>): Queues[] {
  let lowest = Infinity;
  let highest = 0;
  for (const weight of queues.keys()) {
    lowest = Math.min(lowest, weight);
    highest = Math.max(highest, weight);
  }
  const width = Math.log(highest / lowest) / MAX_BANDS;
  const bands: Queues[] = Array.from({ length: MAX_BANDS }, () => []);
  for (const [weight, queue] of queues) {
    const k = Math.min(MAX_BANDS - 1, Math.floor(Math.log(weight / lowest) / width));
    (bands[k] as Queues).push([weight, queue]);
  }
  return bands.filter((band) => band.length > 0);
}

function sumOf<V>(values: Iterable<V>, read: (value: V) => number): number {
  let sum = 0;
  for (const value of values) sum += read(value);
  return sum;
}
