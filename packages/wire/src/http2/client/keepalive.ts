import type { Clock, Timer } from '@bascule/core';
import type { Pings } from './pings.ts';

/** Asks a silent peer for a sign of life while calls are open (gRFC A8). */
export class Keepalive {
  readonly #clock: Clock;
  readonly #pings: Pings;
  readonly #silenceMs: number;
  #heardMs = 0;
  #timer: Timer | undefined;

  /** `silenceMs` of 0 never asks. */
  constructor(clock: Clock, pings: Pings, silenceMs: number) {
    this.#clock = clock;
    this.#pings = pings;
    this.#silenceMs = silenceMs;
  }

  /** A call is open. */
  start(): void {
    if (this.#silenceMs === 0 || this.#timer !== undefined) return;
    this.#heardMs = this.#clock.nowMs();
    this.#watch();
  }

  /** Bytes have come. */
  heard(): void {
    if (this.#timer !== undefined) this.#heardMs = this.#clock.nowMs();
  }

  /** No call is open, or the connection is about to end. */
  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #watch(): void {
    const dueMs = this.#heardMs + this.#silenceMs;
    this.#timer = this.#clock.after(dueMs - this.#clock.nowMs(), () => {
      if (this.#clock.nowMs() >= this.#heardMs + this.#silenceMs) {
        this.#pings.send();
        this.#heardMs = this.#clock.nowMs();
      }
      this.#watch();
    });
  }
}
