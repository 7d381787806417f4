import type { Clock, Timer } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { deadlineError } from './failures.ts';

/**
 * The time of one call with its interceptors: a signal that fires when the caller gives up, at the deadline, and when
 * the call is over.
 */
export class CallScope {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #deadline: Timer | undefined;

  constructor(clock: Clock, outer: AbortSignal | undefined, deadlineMs: number | undefined) {
    this.#outer = outer;
    if (deadlineMs !== undefined) {
      const leftMs = Math.max(0, Math.ceil(deadlineMs - clock.nowMs()));
      this.#deadline = clock.after(leftMs, () => this.#abort(deadlineError()));
    }
    if (outer?.aborted === true) this.handleEvent();
    else outer?.addEventListener('abort', this);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The caller's signal fired. */
  handleEvent(): void {
    this.#abort(this.#outer?.reason);
  }

  /** All went well. */
  end(): void {
    this.#abort();
  }

  /** Ends with an error: the signal's own reason where that fired first. */
  fail(thrown: unknown): ConnectError {
    const { aborted, reason } = this.#controller.signal;
    const error = aborted ? ConnectError.from(reason, Code.Canceled) : ConnectError.from(thrown);
    this.#abort(error);
    return error;
  }

  #abort(reason?: unknown): void {
    this.#deadline?.cancel();
    this.#outer?.removeEventListener('abort', this);
    this.#controller.abort(reason);
  }
}
