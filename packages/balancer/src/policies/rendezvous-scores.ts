import { jumpHigh, jumpLow } from './hash-jump.ts';

/** Slots are 2 to the power of this. Another number would move nearly all keys, so it does not depend on the set. */
const SLOT_BITS = 16;
export const SLOTS = 1 << SLOT_BITS;
const MASK = SLOTS - 1;
const HALF = SLOT_BITS / 2;
const MIX = 0x9e35;
const UNMIX = inverseOf(MIX);

/** `-ln(u)` for the slots' ranks: exponential waits, in ascending order. Made once, with the first of all tables. */
let waits: Float64Array | undefined;

/** The slot of a key's hash: its leading bits. */
export function slotOf(high: number): number {
  return high >>> (32 - SLOT_BITS);
}

/** What is known of the members that contend for slots, in typed arrays by index. */
export class Scores {
  readonly count: number;
  readonly totalWeight: number;
  readonly #waits: Float64Array;
  /** One by weight, less a hair of chance, so that no two members of the same weight draw. */
  readonly #paces: Float64Array;
  /** Of each member's permutation: two keys, two odd factors and their inverses. */
  readonly #keys: Int32Array;

  /** By the hash of each member's id, and its weight. */
  constructor(highs: Uint32Array, lows: Uint32Array, weights: Float64Array) {
    this.count = weights.length;
    this.totalWeight = weights.reduce((sum, weight) => sum + weight, 0);
    this.#waits = waits ??= Float64Array.from({ length: SLOTS }, (_, rank) => -Math.log1p(-(rank + 0.5) / SLOTS));
    this.#paces = new Float64Array(this.count);
    this.#keys = new Int32Array(this.count * 6);
    for (let index = 0; index < this.count; index++) {
      const high = highs[index] as number;
      const low = lows[index] as number;
      this.#paces[index] = 1 / ((weights[index] as number) * (1 + jumpHigh(high, low, 1) / 2 ** 52));
      const factor = (jumpHigh(high, low, 2) & MASK) | 1;
      const other = (jumpLow(low, 2) & MASK) | 1;
      const keys = [high & MASK, factor, low & MASK, other, inverseOf(factor), inverseOf(other)];
      this.#keys.set(keys, index * 6);
    }
  }

  /** `-ln(hash of slot and member) / weight`: the lowest has the slot. */
  scoreOf(index: number, slot: number): number {
    return this.waitOf(index, rankOf(this.#keys, index * 6, slot));
  }

  /**
   * Whose score of a slot is the lowest, of all. Compared here, where scores are made: what has a fraction is an object
   * of 16 bytes to whoever gets it from a function.
   */
  bestOf(slot: number): number {
    const keys = this.#keys;
    const waits = this.#waits;
    const paces = this.#paces;
    let best = 0;
    let lowest = Infinity;
    for (let index = 0; index < paces.length; index++) {
      const score = (waits[rankOf(keys, index * 6, slot)] as number) * (paces[index] as number);
      if (score < lowest) {
        best = index;
        lowest = score;
      }
    }
    return best;
  }

  /** The score of a member's slot by its rank. */
  waitOf(index: number, rank: number): number {
    return (this.#waits[rank] as number) * (this.#paces[index] as number);
  }

  /** Which slot of a member has a rank: the hash backwards. */
  slotAt(index: number, rank: number): number {
    const keys = this.#keys;
    const at = index * 6;
    let slot = rank ^ (rank >>> HALF);
    slot = Math.imul(slot, UNMIX) & MASK;
    slot ^= slot >>> HALF;
    slot = (Math.imul(slot, keys[at + 5] as number) & MASK) ^ (keys[at + 2] as number);
    slot ^= slot >>> HALF;
    return (Math.imul(slot, keys[at + 4] as number) & MASK) ^ (keys[at] as number);
  }
}

/**
 * The hash of slot and member, by the member's permutation: each member has each value once, so that its slots can be
 * gone through from its best to its worst.
 */
function rankOf(keys: Int32Array, at: number, slot: number): number {
  let rank = Math.imul(slot ^ (keys[at] as number), keys[at + 1] as number) & MASK;
  rank ^= rank >>> HALF;
  rank = Math.imul(rank ^ (keys[at + 2] as number), keys[at + 3] as number) & MASK;
  rank ^= rank >>> HALF;
  rank = Math.imul(rank, MIX) & MASK;
  return rank ^ (rank >>> HALF);
}

/** Of an odd number modulo the number of slots; each round of Newton doubles the bits that are right, beginning at 3. */
function inverseOf(factor: number): number {
  let inverse = factor;
  for (let bits = 3; bits < SLOT_BITS; bits *= 2) inverse = Math.imul(inverse, 2 - Math.imul(factor, inverse));
  return inverse & MASK;
}
