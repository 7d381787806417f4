import { Code, type CallError, type Clock } from '@bascule/core';

/** Repeats of what never left, at once: a connection that is going away may take several calls' heads with it. */
const MAX_AT_ONCE = 3;
const BASE_DELAY_MS = 10;
const MAX_DELAY_MS = 250;

/**
 * Transparent repeats of one call: of calls that provably were not processed, so whatever the method does. Source: gRFC
 * A6. A call that never left is repeated as long as it may wait; one that the server refused, once.
 */
export class Repeats {
  readonly #clock: Clock;
  readonly #endMs: number;
  #neverSent = 0;
  #refused = 0;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#endMs = clock.nowMs() + waitMs;
  }

  /** Milliseconds until the next attempt; undefined when the failure stands. */
  next(error: CallError, deadlineMs: number | undefined): number | undefined {
    if (error.final === true || error.code !== Code.unavailable) return undefined;
    if (error.processed === 'never-sent') return this.#afterNeverSent(deadlineMs);
    return error.processed === 'refused' && this.#refused++ === 0 ? 0 : undefined;
  }

  #afterNeverSent(deadlineMs: number | undefined): number | undefined {
    const count = this.#neverSent++;
    if (count < MAX_AT_ONCE) return 0;
    const ceilingMs = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** (count - MAX_AT_ONCE));
    const delayMs = ceilingMs * (0.5 + this.#clock.random() / 2);
    const endMs = deadlineMs === undefined ? this.#endMs : Math.min(this.#endMs, deadlineMs);
    // The caller learns the reason now rather than nothing but a deadline later.
    return this.#clock.nowMs() + delayMs < endMs ? delayMs : undefined;
  }
}
