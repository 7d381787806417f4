import type { Clock } from '@bascule/core';
import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { AliasTable } from './alias-table.ts';
import { Chance } from './chance.ts';
import { Costs, type Cost } from './costs.ts';
import { isEven } from './upkeep.ts';

/** What is compared. */
export interface Comparison {
  readonly clock: Clock;
  /** Members drawn per pick, from 2 to 10. */
  readonly choiceCount: number;
  /** At most this many members are all compared. */
  readonly fullScanUpTo: number;
  readonly cost: Cost;
  reason(chosen: Candidate, count: number): string;
}

/** Draws again when all that were drawn are out; then all are compared. Source: `maxEffort` of Finagle's P2C. */
const EFFORTS = 4;
/** Draws for one that has not been drawn yet. */
const DRAWS = 16;

/**
 * The best of some members drawn by chance: power of two choices. Those drawn are different ones, and the first drawn
 * wins a tie. With unequal weights chance goes by weight, and load counts as over the weight: idle members share by
 * weight, and busy ones are loaded by weight.
 *
 * Source: Mitzenmacher, "The Power of Two Choices"; Finagle's P2CPick, linkerd's p2c.rs (two distinct nodes).
 */
export class Choices<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #chance: Chance;
  readonly #comparison: Comparison;
  /** Undefined with equal weights. */
  readonly #table: AliasTable | undefined;
  readonly #costs: Costs;
  readonly #count: number;
  readonly #comparesAll: boolean;
  readonly #drawn: Int32Array;

  constructor(members: readonly T[], weights: Float64Array, comparison: Comparison) {
    this.#members = members;
    this.#chance = new Chance(comparison.clock);
    this.#comparison = comparison;
    this.#table = isEven(weights) ? undefined : new AliasTable(weights);
    this.#costs = new Costs(members, weights, comparison.cost);
    this.#count = Math.max(2, Math.min(10, comparison.choiceCount));
    this.#comparesAll = members.length <= Math.max(2, comparison.fullScanUpTo);
    this.#drawn = new Int32Array(this.#count);
  }

  pick(request: PickRequest): T | undefined {
    const { isOut } = request;
    const members = this.#members;
    const costs = this.#costs;
    if (this.#comparesAll && members.length !== 2) return this.#bestOfAll(request);
    if (this.#count > 2) {
      for (let left = isOut === undefined ? 1 : EFFORTS; left > 0; left--) {
        const best = this.#bestOfMany(request);
        if (best !== undefined) return best;
      }
      return this.#bestOfAll(request);
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
      costs.put(0, indexA, request);
      costs.put(1, indexB, request);
      return (costs.values[1] as number) < (costs.values[0] as number) ? b : a;
    }
    return this.#bestOfAll(request);
  }

  reason(chosen: T): string {
    return this.#comparison.reason(chosen, this.#comparesAll ? this.#members.length : this.#count);
  }

  #draw(): number {
    return this.#table === undefined ? this.#chance.below(this.#members.length) : this.#table.draw(this.#chance);
  }

  #drawOther(first: number): number {
    if (this.#table !== undefined) {
      this.#drawn[0] = first;
      return this.#drawNew(1);
    }
    const index = this.#chance.below(this.#members.length - 1);
    return index < first ? index : index + 1;
  }

  #bestOfMany(request: PickRequest): T | undefined {
    const { isOut } = request;
    const costs = this.#costs;
    const drawn = this.#drawn;
    const count = Math.min(this.#count, this.#members.length);
    let best: T | undefined;
    let lowest = Infinity;
    for (let i = 0; i < count; i++) {
      const index = this.#drawNew(i);
      drawn[i] = index;
      const member = this.#members[index] as T;
      if (isOut?.(member) === true) continue;
      costs.put(1, index, request);
      const cost = costs.values[1] as number;
      if (best !== undefined && cost >= lowest) continue;
      best = member;
      lowest = cost;
    }
    return best;
  }

  /** One that is not among the first `count` drawn. Where one is so heavy that chance gives no other, any other. */
  #drawNew(count: number): number {
    let index = this.#draw();
    for (let left = DRAWS; left > 0 && this.#isDrawn(index, count); left--) index = this.#draw();
    if (this.#isDrawn(index, count)) index = this.#chance.below(this.#members.length);
    while (this.#isDrawn(index, count)) index = (index + 1) % this.#members.length;
    return index;
  }

  #isDrawn(index: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.#drawn[i] === index) return true;
    return false;
  }

  /** The best of all that are not out; chance decides between equals. */
  #bestOfAll(request: PickRequest): T | undefined {
    const { isOut } = request;
    const costs = this.#costs;
    let best: T | undefined;
    let lowest = Infinity;
    let equals = 0;
    for (let index = 0; index < this.#members.length; index++) {
      const member = this.#members[index] as T;
      if (isOut?.(member) === true) continue;
      costs.put(1, index, request);
      const cost = costs.values[1] as number;
      if (best !== undefined && cost > lowest) continue;
      if (best === undefined || cost < lowest) equals = 0;
      equals++;
      lowest = cost;
      if (equals === 1 || this.#chance.below(equals) === 0) best = member;
    }
    return best;
  }
}
