import type { Clock, Timer } from '@bascule/core';

/** A timer later than this says that our own process stood still, and what the peer sent may lie there unread. */
const LATE_MS = 100;

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
    const dueMs = this.#clock.nowMs() + delayMs;
    this.#timer = this.#clock.after(delayMs, () => {
      if (this.#clock.nowMs() > dueMs + LATE_MS) this.set(LATE_MS, onLate);
      else onLate();
    });
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
