import type { Clock, Timer } from '@bascule/core';
import type { Pings } from './pings.ts';

/**
 * - `resting`: no call is open.
 * - `listening`: calls are open; the peer may be silent for a while.
 * - `asked`: it was silent, and has been sent a PING.
 * - `doubted`: it has not answered that either.
 */
type State = 'resting' | 'listening' | 'asked' | 'doubted';

export interface DoubtEvents {
  /** The peer has said nothing for twice the silence, though it was asked. */
  onDoubt(): void;
  /** It speaks again. */
  onTrust(): void;
}

/** A timer later than this says that our own process stood still, and what the peer sent may lie there unread. */
const LATE_MS = 100;

/**
 * Notices within seconds that a peer stands still (stopped, swapping, in an endless loop) whose kernel still takes our
 * bytes. It costs one PING between two answers at most, so that servers that count PINGs take no offence, and one is
 * left to ask about cancelled calls. A connection in doubt is kept: its calls may still be answered.
 */
export class Doubt {
  readonly #clock: Clock;
  readonly #pings: Pings;
  readonly #silenceMs: number;
  readonly #events: DoubtEvents;
  #state: State = 'resting';
  #heardMs = 0;
  #timer: Timer | undefined;

  /** `silenceMs` of 0 never doubts. */
  constructor(clock: Clock, pings: Pings, silenceMs: number, events: DoubtEvents) {
    this.#clock = clock;
    this.#pings = pings;
    this.#silenceMs = silenceMs;
    this.#events = events;
  }

  get isDoubted(): boolean {
    return this.#state === 'doubted';
  }

  /** A call is open. */
  start(): void {
    if (this.#silenceMs === 0 || this.#state !== 'resting') return;
    this.#heardMs = this.#clock.nowMs();
    this.#listen();
  }

  /** Bytes have come. */
  heard(): void {
    if (this.#state === 'resting') return;
    this.#heardMs = this.#clock.nowMs();
    if (this.#state === 'listening') return;
    const before = this.#state;
    this.#listen();
    if (before === 'doubted') this.#events.onTrust();
  }

  /** No call is open. A doubt stays until the peer speaks or the connection is given up. */
  rest(): void {
    if (this.#state === 'doubted') return;
    this.#state = 'resting';
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** The connection is gone. */
  end(): void {
    this.#state = 'resting';
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One timer per silence, not per byte: it looks back at when the last byte came. */
  #listen(): void {
    this.#state = 'listening';
    this.#wait(this.#heardMs + this.#silenceMs - this.#clock.nowMs(), () => {
      if (this.#clock.nowMs() < this.#heardMs + this.#silenceMs) return this.#listen();
      if (!this.#pings.askOnce()) {
        // Asked since its last answer: only the peer can change that.
        this.#heardMs = this.#clock.nowMs();
        return this.#listen();
      }
      this.#state = 'asked';
      this.#judgeIn(this.#silenceMs);
    });
  }

  #judgeIn(delayMs: number): void {
    const dueMs = this.#clock.nowMs() + delayMs;
    this.#wait(delayMs, () => {
      if (this.#clock.nowMs() > dueMs + LATE_MS) return this.#judgeIn(LATE_MS);
      this.#state = 'doubted';
      this.#events.onDoubt();
    });
  }

  #wait(delayMs: number, then: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(delayMs, then);
  }
}
