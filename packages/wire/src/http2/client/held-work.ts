import { holdWork, releaseWork, type CallContext, type Clock, type Timer } from '@bascule/core';
import type { Outbox } from '../outbox.ts';
import type { Pings } from './pings.ts';

/** How long the work of a reset call counts at most while no PING may be sent, in milliseconds. */
const MAX_WAIT_MS = 10_000;

interface ResetCall {
  readonly call: CallContext;
  readonly sinceMs: number;
}

/**
 * The work of calls that we have reset. It counts until the backend has read RST_STREAM, which the answer to a PING
 * behind it tells; one PING speaks for all resets before it.
 */
export class HeldWork {
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #pings: Pings;
  /** Reset, with no PING behind them yet; oldest first. */
  #waiting: ResetCall[] = [];
  /** Reset before the PING that is under way. */
  #asked: ResetCall[] = [];
  #timer: Timer | undefined;
  #timerMs = Infinity;

  constructor(clock: Clock, outbox: Outbox, pings: Pings) {
    this.#clock = clock;
    this.#outbox = outbox;
    this.#pings = pings;
  }

  /** RST_STREAM for the call is in this turn's outbox. */
  hold(call: CallContext): void {
    holdWork(call);
    this.#waiting.push({ call, sinceMs: this.#clock.nowMs() });
  }

  /** At the end of a turn: asks by a PING where that is allowed, and otherwise comes back later. */
  ask(): void {
    const oldest = this.#waiting[0];
    if (oldest === undefined) return;
    const { allowedMs } = this.#pings;
    if (allowedMs > this.#clock.nowMs()) return this.#lookAt(Math.min(allowedMs, oldest.sinceMs + MAX_WAIT_MS));
    this.#pings.send();
    this.#asked = this.#waiting;
    this.#waiting = [];
    this.#stopTimer();
  }

  /** A PING may be allowed now. */
  reconsider(): void {
    if (this.#waiting.length > 0) this.#outbox.schedule();
  }

  /** The PING was answered. */
  answered(): void {
    const asked = this.#asked;
    this.#asked = [];
    for (const { call } of asked) releaseWork(call);
    this.reconsider();
  }

  /** The connection is gone, and the peer's work for its streams with it. */
  releaseAll(): void {
    this.#stopTimer();
    const all = [...this.#asked, ...this.#waiting];
    this.#asked = [];
    this.#waiting = [];
    for (const { call } of all) releaseWork(call);
  }

  #lookAt(atMs: number): void {
    if (atMs >= this.#timerMs) return;
    this.#stopTimer();
    this.#timerMs = atMs;
    this.#timer = this.#clock.after(atMs - this.#clock.nowMs(), () => {
      this.#stopTimer();
      this.#releaseOld();
      this.reconsider();
    });
  }

  #releaseOld(): void {
    const beforeMs = this.#clock.nowMs() - MAX_WAIT_MS;
    const firstYoung = this.#waiting.findIndex(({ sinceMs }) => sinceMs > beforeMs);
    const old = this.#waiting.splice(0, firstYoung < 0 ? this.#waiting.length : firstYoung);
    for (const { call } of old) releaseWork(call);
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerMs = Infinity;
  }
}
