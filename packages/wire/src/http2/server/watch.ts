import type { Clock, Timer } from '@bascule/core';

/**
 * All deadlines of one connection on one timer, which is set when something has to happen and not moved when it need
 * not: a call costs none. `check` looks at everything and returns when to look next, or Infinity.
 */
export class Watch {
  readonly #clock: Clock;
  readonly #check: (nowMs: number) => number;
  #dueMs = Infinity;
  #timer: Timer | undefined;
  #state: 'on' | 'off' = 'on';

  constructor(clock: Clock, check: (nowMs: number) => number) {
    this.#clock = clock;
    this.#check = check;
  }

  /** Looks at `atMs` of the clock at the latest. */
  by(atMs: number): void {
    if (atMs >= this.#dueMs || this.#state === 'off') return;
    this.#timer?.cancel();
    this.#dueMs = atMs;
    this.#timer = this.#clock.after(Math.max(1, atMs - this.#clock.nowMs()), () => {
      this.#timer = undefined;
      this.#dueMs = Infinity;
      this.by(this.#check(this.#clock.nowMs()));
    });
  }

  stop(): void {
    this.#state = 'off';
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
