import { jumpHigh, jumpLow } from './hash-jump.ts';
import type { Work } from './hash-work.ts';

/** Slots are 2 to the power of this. Another number would move nearly all keys, so it does not depend on the set. */
export const SLOT_BITS = 18;
const SLOTS = 1 << SLOT_BITS;
/** Mean visits per slot in the first heat: with 18, one race in ten has a slot that fewer than two have reached. */
const FIRST_HEAT = 18;
const NEXT_HEAT = 6;
/** Heats run only for second places; with one very heavy member they would not end. */
const MAX_HEATS_FOR_SECOND = 4;
const VISITS_PER_RUN = 1_024;
const UNITS_PER_VISIT = 0.5;

export interface Contenders {
  /** Hash of each member's id. */
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  readonly weights: Float64Array;
}

/** Member of each slot, one more than its index; 0 is nobody. */
export interface Winners {
  readonly first: Uint32Array;
  /** Who would have the slot without the first. */
  readonly second: Uint32Array;
}

/**
 * The contest for all slots at once. Drawing `-ln(hash) / weight` for a slot and a member, lowest wins, is the same as
 * asking when the member first comes to the slot, if it visits slots of chance, one after the other, as fast as its
 * weight is great: the wait for one of many slots is exponential. So each member's way is followed until all slots have
 * been reached: 18 visits per slot instead of one draw per slot and member. A way depends on nothing but the member's
 * hash and weight, which is why nobody else's slots change with who comes or goes.
 */
export function* runRace(contenders: Contenders, work: Work): Generator<undefined, Winners> {
  const { weights } = contenders;
  const race = new Race(contenders);
  if (weights.length === 0) return race;
  const totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
  let endAt = 0;
  for (let heat = 1; ; heat++) {
    endAt += ((heat === 1 ? FIRST_HEAT : NEXT_HEAT) * SLOTS) / totalWeight;
    for (let index = 0; index < weights.length; index++) {
      // In pieces, since a single member makes all the visits of a heat.
      while (!race.run(index, endAt)) if (work.spend(VISITS_PER_RUN * UNITS_PER_VISIT)) yield undefined;
      if (work.spend(race.visits * UNITS_PER_VISIT + 1)) yield undefined;
    }
    const missing = weights.length === 1 || heat >= MAX_HEATS_FOR_SECOND ? race.first : race.second;
    if (!missing.includes(0)) return race;
  }
}

class Race implements Winners {
  readonly first = new Uint32Array(SLOTS);
  readonly second = new Uint32Array(SLOTS);
  /** Visits of the last run. */
  visits = 0;
  readonly #firstAt = new Float64Array(SLOTS).fill(Infinity);
  readonly #secondAt = new Float64Array(SLOTS).fill(Infinity);
  readonly #weights: Float64Array;
  /** Visits of each member so far, and where between two of them it began, by chance, so that none are first. */
  readonly #steps: Float64Array;
  /** Four words of state of each member's chance. */
  readonly #states: Int32Array;

  constructor({ highs, lows, weights }: Contenders) {
    this.#weights = weights;
    this.#steps = new Float64Array(weights.length);
    this.#states = new Int32Array(weights.length * 4);
    for (let index = 0; index < weights.length; index++) {
      const high = highs[index] as number;
      const low = lows[index] as number;
      this.#steps[index] = jumpHigh(high, low, 2) / 0x1_0000_0000;
      this.#states.set([high, low, jumpHigh(high, low, 1), jumpLow(low, 1)], index * 4);
    }
  }

  /** Follows a member's way until `endAt`, or for some visits: false means not there yet. */
  run(index: number, endAt: number): boolean {
    const states = this.#states;
    const weight = this.#weights[index] as number;
    let a = states[index * 4] as number;
    let b = states[index * 4 + 1] as number;
    let c = states[index * 4 + 2] as number;
    let d = states[index * 4 + 3] as number;
    let step = this.#steps[index] as number;
    let visits = 0;
    for (; step / weight < endAt && visits < VISITS_PER_RUN; visits++, step++) {
      // Chance is sfc32, by Chris Doty-Humphrey: 128 bits of state, so no two ways are alike.
      const random = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + random) | 0;
      this.#visit(random >>> (32 - SLOT_BITS), index + 1, step / weight);
    }
    states[index * 4] = a;
    states[index * 4 + 1] = b;
    states[index * 4 + 2] = c;
    states[index * 4 + 3] = d;
    this.#steps[index] = step;
    this.visits = visits;
    return step / weight >= endAt;
  }

  #visit(slot: number, member: number, at: number): void {
    // Most visits are late, and end here. One that has been here before was earlier then.
    if (at >= (this.#secondAt[slot] as number) || this.first[slot] === member) return;
    const firstAt = this.#firstAt[slot] as number;
    if (at < firstAt) {
      this.second[slot] = this.first[slot] as number;
      this.#secondAt[slot] = firstAt;
      this.first[slot] = member;
      this.#firstAt[slot] = at;
    } else {
      this.second[slot] = member;
      this.#secondAt[slot] = at;
    }
  }
}
