import { Code, type CallError, type Clock } from '@bascule/core';

/** Repeats without a pause. A connection that is going away may take several calls' heads with it before they have left. */
const AT_ONCE = { 'never-sent': 3, refused: 1 };
const MAX_REFUSED = 10;
const BASE_DELAY_MS = 10;
const MAX_DELAY_MS = 250;

/**
 * Transparent repeats of one call: only of what provably was not processed, so whatever the method does. Source: gRFC
 * A6, which repeats a refused call once. Here more of them come with growing pauses, since a server that drains one
 * connection may be about to drain the next one as well, and each refusal says that the server is there.
 */
export class Repeats {
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #counts = { 'never-sent': 0, refused: 0 };
  #pauses = 0;
  /** A call that finds nobody waits until then. */
  #endMs: number;

  constructor(clock: Clock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
    this.#endMs = clock.nowMs() + waitMs;
  }

  /** Milliseconds until the next attempt; undefined when the failure stands. */
  next(error: CallError, deadlineMs: number | undefined): number | undefined {
    const { processed } = error;
    if (processed === 'maybe' || error.final === true || error.code !== Code.unavailable) return undefined;
    const nowMs = this.#clock.nowMs();
    const count = ++this.#counts[processed];
    if (processed === 'refused') this.#endMs = nowMs + this.#waitMs;
    if (count <= AT_ONCE[processed]) return 0;
    if (processed === 'refused' && count > MAX_REFUSED) return undefined;
    const ceilingMs = Math.min(MAX_DELAY_MS, BASE_DELAY_MS * 2 ** this.#pauses++);
    const delayMs = ceilingMs * (0.5 + this.#clock.random() / 2);
    // The caller learns the reason now rather than nothing but a deadline later.
    return nowMs + delayMs < Math.min(this.#endMs, deadlineMs ?? Infinity) ? delayMs : undefined;
  }
}
