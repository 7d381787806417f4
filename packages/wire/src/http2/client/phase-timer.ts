import type { Clock, Timer } from '@bascule/core';

/** The one limit of time that a connection is under at any moment: to connect, to greet, to acknowledge, to go. */
export class PhaseTimer {
  readonly #clock: Clock;
  #timer: Timer | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** In place of the limit before. */
  set(delayMs: number, onLate: () => void): void {
    this.clear();
    this.#timer = this.#clock.after(delayMs, onLate);
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
