import type { Clock } from '@bascule/core';
import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { firstUsable } from './first-usable.ts';
import { STEP_MEMBERS } from './upkeep.ts';

/** Picks of members that are out before all are looked at. */
const TRIES = 8;
/** Children of a node: those of 4 lie in one line of the cache, and the way down is half as long as with 2. */
const FAN_OUT = 4;

/**
 * Weighted least request: earliest deadline first. Whoever is due first is taken, and is due again
 * `(load + 1) ^ bias / weight` later, with the load before this call. O(log n).
 *
 * Source: Envoy `least_request_lb.cc` and `edf_scheduler.h`: `weight / (active + 1) ^ active_request_bias`.
 */
export class Deadlines<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #bias: number;
  /** 1 / weight. */
  readonly #strides: Float64Array;
  /** A heap: nobody is due before the node above. Ends in 4 places that are never due, so that no child is missing. */
  readonly #dues: Float64Array;
  readonly #indices: Int32Array;

  /** `dues` are how long until each member is due. */
  constructor(members: readonly T[], bias: number, dues: Float64Array) {
    this.#members = members;
    this.#bias = bias;
    this.#strides = Float64Array.from(members, ({ weight }) => 1 / weight);
    this.#dues = new Float64Array(members.length + FAN_OUT).fill(Infinity);
    this.#dues.set(dues);
    this.#indices = Int32Array.from({ length: members.length }, (_, index) => index);
    for (let node = Math.floor((members.length - 2) / FAN_OUT); node >= 0; node--) {
      this.#sink(node, this.#dues[node] as number, this.#indices[node] as number);
    }
  }

  pick(request: PickRequest): T | undefined {
    const { isOut } = request;
    let index = this.#next();
    if (isOut === undefined) return this.#members[index];
    for (let left = TRIES; left > 0 && this.#members.length > 0; left--) {
      const member = this.#members[index] as T;
      if (!isOut(member)) return member;
      index = this.#next();
    }
    return firstUsable(this.#members, index, request);
  }

  reason(chosen: T): string {
    return `due first by weight and open calls (${chosen.openCalls})`;
  }

  /** Tells how long until each member is due. */
  forEach(visit: (member: T, due: number) => void): void {
    const now = this.#dues[0] as number;
    for (const [node, index] of this.#indices.entries()) {
      visit(this.#members[index] as T, (this.#dues[node] as number) - now);
    }
  }

  #next(): number {
    const index = this.#indices[0] as number;
    if (this.#members.length > 0) {
      const { load } = this.#members[index] as T;
      const due = (this.#dues[0] as number) + busy(load, this.#bias) * (this.#strides[index] as number);
      this.#sink(0, due, index);
    }
    return index;
  }

  /** Puts a member where it belongs at or below `node`. */
  #sink(node: number, due: number, index: number): void {
    const dues = this.#dues;
    const indices = this.#indices;
    const count = indices.length;
    for (;;) {
      let child = node * FAN_OUT + 1;
      if (child >= count) break;
      let first = dues[child] as number;
      const end = child + FAN_OUT;
      for (let other = child + 1; other < end; other++) {
        const otherDue = dues[other] as number;
        if (otherDue >= first) continue;
        first = otherDue;
        child = other;
      }
      if (due <= first) break;
      dues[node] = first;
      indices[node] = indices[child] as number;
      node = child;
    }
    dues[node] = due;
    indices[node] = index;
  }
}

/** By how much longer than an idle one a member with `load` has to wait for its next turn. */
function busy(load: number, bias: number): number {
  if (bias === 1) return load + 1;
  return bias === 0 ? 1 : (load + 1) ** bias;
}

/** Keeps how long members had to wait over changes, which is part of their turn. */
export class Waits {
  readonly #pickers = new WeakMap<Candidate, Deadlines<Candidate>>();

  /** Makes a picker for `members`. Those who come are due at a point of chance within their first turn. */
  *continued<T extends Candidate>(
    members: readonly T[],
    bias: number,
    clock: Clock,
  ): Generator<undefined, Deadlines<T>> {
    const waits = new Map<Candidate, number>();
    const asked = new Set<Deadlines<Candidate>>();
    for (const member of members) {
      const picker = this.#pickers.get(member);
      if (picker === undefined || asked.has(picker)) continue;
      asked.add(picker);
      // A picker that is older than a member's own knows nothing of it any more.
      picker.forEach((known, due) => void (this.#pickers.get(known) === picker && waits.set(known, due)));
    }
    yield;
    const dues = new Float64Array(members.length);
    for (const [index, member] of members.entries()) {
      const longest = busy(member.load, bias) / member.weight;
      dues[index] = Math.min(longest, waits.get(member) ?? (1 - clock.random()) * longest);
    }
    yield;
    const picker = new Deadlines(members, bias, dues);
    for (const [index, member] of members.entries()) {
      if (index % STEP_MEMBERS === STEP_MEMBERS - 1) yield;
      this.#pickers.set(member, picker);
    }
    return picker;
  }
}
