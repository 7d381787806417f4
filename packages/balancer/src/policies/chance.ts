import type { Clock } from '@bascule/core';

/** Numbers made at once: what is looked into at each pick stays small enough for V8 to be part of the pick. */
const STOCK = 64;

/**
 * Numbers of chance for picks, sown by the clock's. V8 gives each `Math.random()` as an object of 16 bytes; these are
 * whole numbers, which are none.
 *
 * Source: xoshiro128** 1.1 by Blackman and Vigna; a state of 128 bits, and a period of 2^128 - 1.
 */
export class Chance {
  readonly #state: Int32Array;
  readonly #stock = new Int32Array(STOCK);
  #left = 0;

  constructor(clock: Clock) {
    this.#state = Int32Array.from({ length: 4 }, () => Math.floor(clock.random() * 0x1_0000_0000) | 0);
    // All bits 0 would stay so for ever.
    this.#state[0] = (this.#state[0] as number) | 1;
  }

  /** A whole number from 0 to below `count`, which is at most 2^31. */
  below(count: number): number {
    return Math.floor(((this.bits() >>> 0) / 0x1_0000_0000) * count);
  }

  /** 32 bits, as a signed number. */
  bits(): number {
    if (this.#left === 0) this.#refill();
    this.#left--;
    return this.#stock[this.#left] as number;
  }

  #refill(): void {
    let [a, b, c, d] = this.#state as unknown as [number, number, number, number];
    for (let i = 0; i < STOCK; i++) {
      const times5 = Math.imul(b, 5);
      this.#stock[i] = Math.imul((times5 << 7) | (times5 >>> 25), 9);
      const shifted = b << 9;
      c ^= a;
      d ^= b;
      b ^= c;
      a ^= d;
      c ^= shifted;
      d = (d << 11) | (d >>> 21);
    }
    this.#state[0] = a;
    this.#state[1] = b;
    this.#state[2] = c;
    this.#state[3] = d;
    this.#left = STOCK;
  }
}
