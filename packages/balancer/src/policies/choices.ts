import type { Clock } from '@bascule/core';
import { indexAt, type Candidate, type Picker, type PickRequest } from '../policy.ts';

/** What is compared. */
export interface Comparison {
  readonly clock: Clock;
  /** Members drawn per pick, from 2 to 10. */
  readonly choiceCount: number;
  /** At most this many members are all compared. */
  readonly fullScanUpTo: number;
  /** Lower is better. `load` is the member's, as of one of mean weight. */
  cost(member: Candidate, load: number, nowMs: number): number;
  reason(chosen: Candidate, count: number): string;
}

/** Draws again when all that were drawn are out; then all are compared. Source: `maxEffort` of Finagle's P2C. */
const EFFORTS = 4;

/**
 * The best of some members drawn by chance: power of two choices. Those drawn are different ones, and the first drawn
 * wins a tie. With unequal weights chance goes by weight, and load counts as over the weight: idle members share by
 * weight, and busy ones are loaded by weight.
 *
 * Source: Mitzenmacher, "The Power of Two Choices"; Finagle's P2CPick, linkerd's p2c.rs (two distinct nodes).
 */
export class Choices<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #comparison: Comparison;
  /** Undefined with equal weights. */
  readonly #sums: Float64Array | undefined;
  readonly #meanWeight: number;
  readonly #count: number;
  readonly #comparesAll: boolean;
  readonly #drawn: Int32Array;

  constructor(members: readonly T[], comparison: Comparison) {
    this.#members = members;
    this.#comparison = comparison;
    let total = 0;
    const sums = Float64Array.from(members, ({ weight }) => (total += weight));
    this.#sums = members.every(({ weight }) => weight === members[0]?.weight) ? undefined : sums;
    this.#meanWeight = total / members.length;
    this.#count = Math.max(2, Math.min(10, comparison.choiceCount));
    this.#comparesAll = members.length <= Math.max(2, comparison.fullScanUpTo);
    this.#drawn = new Int32Array(this.#count);
  }

  pick({ isOut, nowMs }: PickRequest): T | undefined {
    const members = this.#members;
    if (this.#comparesAll && members.length !== 2) return this.#bestOfAll(isOut, nowMs);
    if (this.#count > 2) {
      for (let left = isOut === undefined ? 1 : EFFORTS; left > 0; left--) {
        const best = this.#bestOfMany(isOut, nowMs);
        if (best !== undefined) return best;
      }
      return this.#bestOfAll(isOut, nowMs);
    }
    for (let left = isOut === undefined ? 1 : EFFORTS; left > 0; left--) {
      const indexA = this.#draw();
      const indexB = this.#drawOther(indexA);
      const a = members[indexA] as T;
      const b = members[indexB] as T;
      if (isOut !== undefined) {
        const isOutA = isOut(a);
        if (isOut(b)) {
          if (isOutA) continue;
          return a;
        }
        if (isOutA) return b;
      }
      return this.#costOf(b, nowMs) < this.#costOf(a, nowMs) ? b : a;
    }
    return this.#bestOfAll(isOut, nowMs);
  }

  reason(chosen: T): string {
    return this.#comparison.reason(chosen, this.#comparesAll ? this.#members.length : this.#count);
  }

  #costOf(member: T, nowMs: number): number {
    const load = this.#sums === undefined ? member.load : (member.load * this.#meanWeight) / member.weight;
    return this.#comparison.cost(member, load, nowMs);
  }

  #draw(): number {
    const point = this.#comparison.clock.random();
    const sums = this.#sums;
    return sums === undefined
      ? Math.floor(point * this.#members.length)
      : indexAt(sums, point * (sums[sums.length - 1] as number));
  }

  /** Another than `first`, from the total without its share: no second try is needed. */
  #drawOther(first: number): number {
    const sums = this.#sums;
    const { clock } = this.#comparison;
    if (sums === undefined) {
      const index = Math.floor(clock.random() * (this.#members.length - 1));
      return index < first ? index : index + 1;
    }
    const end = sums[first] as number;
    const start = first === 0 ? 0 : (sums[first - 1] as number);
    const point = clock.random() * ((sums[sums.length - 1] as number) - (end - start));
    const index = indexAt(sums, point < start ? point : point + (end - start));
    // Sums of fractions round: the point may fall back into the share that was left out.
    return index === first ? (first + 1) % this.#members.length : index;
  }

  #bestOfMany(isOut: PickRequest['isOut'], nowMs: number): T | undefined {
    const drawn = this.#drawn;
    const count = Math.min(this.#count, this.#members.length);
    let best: T | undefined;
    let lowest = Infinity;
    for (let i = 0; i < count; i++) {
      const index = this.#drawNew(i);
      drawn[i] = index;
      const member = this.#members[index] as T;
      if (isOut?.(member) === true) continue;
      const cost = this.#costOf(member, nowMs);
      if (best !== undefined && cost >= lowest) continue;
      best = member;
      lowest = cost;
    }
    return best;
  }

  /** One that is not among the first `count` drawn: the next one after it, if chance gives one of them again. */
  #drawNew(count: number): number {
    let index = this.#draw();
    for (let tries = 0; this.#isDrawn(index, count); tries++) {
      index = tries < EFFORTS ? this.#draw() : (index + 1) % this.#members.length;
    }
    return index;
  }

  #isDrawn(index: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.#drawn[i] === index) return true;
    return false;
  }

  /** The best of all that are not out; chance decides between equals. */
  #bestOfAll(isOut: PickRequest['isOut'], nowMs: number): T | undefined {
    let best: T | undefined;
    let lowest = Infinity;
    let equals = 0;
    for (const member of this.#members) {
      if (isOut?.(member) === true) continue;
      const cost = this.#costOf(member, nowMs);
      if (best !== undefined && cost > lowest) continue;
      if (best === undefined || cost < lowest) equals = 0;
      equals++;
      lowest = cost;
      if (equals === 1 || this.#comparison.clock.random() * equals < 1) best = member;
    }
    return best;
  }
}
