import type { Clock } from '@bascule/core';
import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { firstUsable } from './first-usable.ts';
import { Stride } from './stride.ts';

/** Members that are out before all are looked at. */
const TRIES = 8;

/** Members by static stride, from a place of chance on. */
export class StridePicker<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #stride: Stride;
  readonly #reasonOf: (index: number) => string;

  constructor(members: readonly T[], weights: Uint16Array, clock: Clock, reasonOf: (index: number) => string) {
    this.#members = members;
    this.#stride = new Stride(weights, Math.floor(clock.random() * 0x1_0000_0000));
    this.#reasonOf = reasonOf;
  }

  pick(request: PickRequest): T | undefined {
    const { isOut } = request;
    let index = this.#stride.next();
    if (isOut === undefined) return this.#members[index];
    for (let left = TRIES; left > 0; left--) {
      const member = this.#members[index] as T;
      if (!isOut(member)) return member;
      index = this.#stride.next();
    }
    return firstUsable(this.#members, index, request);
  }

  reason(chosen: T): string {
    return this.#reasonOf(this.#members.indexOf(chosen));
  }
}
