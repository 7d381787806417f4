import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { handOver, type Seat } from './seats.ts';
import { MAX_STRIDE_WEIGHT, Stride } from './stride.ts';

/** Bands at most. */
const MAX_BANDS = 12;
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

  constructor(members: readonly T[], seats: readonly Seat[], weights: Float64Array, chance: () => number) {
    this.#members = members;
    this.#seats = seats;
    const groups = toBands(weights);
    this.#weights = Float64Array.from(groups, (indices) => sumAt(weights, indices));
    this.#total = this.#weights.reduce((sum, weight) => sum + weight, 0);
    this.#swings = new Float64Array(groups.length);
    const isFirst = handOver(seats, this);
    for (const [k, indices] of groups.entries()) {
      this.#bands.push({ indices, stride: new Stride(scale(weights, indices), Math.floor(chance() * 0x1_0000_0000)) });
      let swing = 0;
      for (const index of indices) swing += (seats[index] as Seat).swing;
      // A set that is prepared often must not begin with the heavy ones each time.
      this.#swings[k] = isFirst ? chance() * (this.#weights[k] as number) : swing * this.#total;
    }
  }

  pick({ isOut }: PickRequest): T | undefined {
    if (isOut !== undefined) return this.#nextUsable(isOut);
    const { indices, stride } = this.#take(this.#swing());
    return this.#members[indices[stride.next()] as number];
  }

  reason(): string {
    return 'next in turn by weight, among those of like weight';
  }

  /** Writes to their seats, of those that nobody else has counted since, their parts of their bands' swings. */
  settle(): void {
    this.#bands.forEach(({ indices }, k) => {
      const swing = (this.#swings[k] as number) / this.#total / indices.length;
      for (const index of indices) {
        const seat = this.#seats[index] as Seat;
        if (seat.turns === this) seat.swing = swing;
      }
    });
  }

  /** All swing by their weights; returns the band that has swung farthest. */
  #swing(): number {
    const swings = this.#swings;
    const weights = this.#weights;
    let best = 0;
    let farthest = -Infinity;
    for (let k = 0; k < swings.length; k++) {
      const swing = (swings[k] as number) + (weights[k] as number);
      swings[k] = swing;
      if (swing <= farthest) continue;
      best = k;
      farthest = swing;
    }
    return best;
  }

  /** The band that has swung farthest of those behind `k`; -1 if that was the last. */
  #behind(k: number): number {
    const bound = this.#swings[k] as number;
    let best = -1;
    let farthest = -Infinity;
    for (let other = 0; other < this.#swings.length; other++) {
      const swing = this.#swings[other] as number;
      if (swing <= farthest || swing > bound || (swing === bound && other <= k)) continue;
      best = other;
      farthest = swing;
    }
    return best;
  }

  #take(k: number): Band {
    this.#swings[k] = (this.#swings[k] as number) - this.#total;
    return this.#bands[k] as Band;
  }

  #nextUsable(isOut: (candidate: Candidate) => boolean): T | undefined {
    let k = this.#swing();
    while (k >= 0) {
      const member = this.#usableOf(k, isOut);
      if (member !== undefined) {
        this.#take(k);
        return member;
      }
      const next = this.#behind(k);
      // A band whose members are all out for long must not be owed more than one round.
      this.#swings[k] = Math.min(this.#total, this.#swings[k] as number);
      k = next;
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

/** Indices by like weight: from one band to the next weights grow by the same factor. */
function toBands(weights: Float64Array): Int32Array[] {
  let lowest = Infinity;
  let highest = 0;
  for (const weight of weights) {
    lowest = Math.min(lowest, weight);
    highest = Math.max(highest, weight);
  }
  const width = Math.log(highest / lowest) / MAX_BANDS;
  const bands: number[][] = Array.from({ length: MAX_BANDS }, () => []);
  for (let index = 0; index < weights.length; index++) {
    const k = Math.min(MAX_BANDS - 1, Math.floor(Math.log((weights[index] as number) / lowest) / width));
    (bands[k] as number[]).push(index);
  }
  return bands.filter((band) => band.length > 0).map((band) => Int32Array.from(band));
}

/** Weights of a band's members for its stride. */
function scale(weights: Float64Array, indices: Int32Array): Uint16Array {
  let highest = 0;
  for (const index of indices) highest = Math.max(highest, weights[index] as number);
  const scaled = new Uint16Array(indices.length);
  for (let place = 0; place < indices.length; place++) {
    scaled[place] = Math.round(((weights[indices[place] as number] as number) / highest) * MAX_STRIDE_WEIGHT);
  }
  return scaled;
}

function sumAt(weights: Float64Array, indices: Int32Array): number {
  let sum = 0;
  for (const index of indices) sum += weights[index] as number;
  return sum;
}
