import type { Clock, Timer } from '@bascule/core';
import { putPing } from '../control.ts';
import { Flag, type Frame } from '../frames.ts';
import type { Outbox } from '../outbox.ts';

const OPAQUE = Buffer.from('bascule!', 'latin1');
/** A peer that has not answered by then is dead. Source: gRFC A8, KEEPALIVE_TIMEOUT. */
const ANSWER_MS = 20_000;
/** Servers bound the PINGs of any one second, ours at 100. */
const INTERVAL_MS = 25;
/**
 * Servers of gRPC take a PING within 5 minutes of the one before as a strike, close the connection at the third, and
 * forgive all strikes when they have sent HEADERS or DATA. The third stays free for a forgiveness that crossed with a PING.
 */
const MAX_UNFORGIVEN = 2;

export interface PingEvents {
  /** The peer has read all that was sent before the PING. */
  onAnswer(): void;
  /** No answer came in time. */
  onSilence(answerMs: number): void;
}

/** The PINGs that a client sends (RFC 9113, 6.7): one at a time, and never so many that a server takes offence. */
export class Pings {
  readonly #clock: Clock;
  readonly #outbox: Outbox;
  readonly #events: PingEvents;
  /** Runs while a PING is under way. */
  #timer: Timer | undefined;
  #sentMs = -Infinity;
  #unforgiven = 0;

  constructor(clock: Clock, outbox: Outbox, events: PingEvents) {
    this.#clock = clock;
    this.#outbox = outbox;
    this.#events = events;
  }

  get isUnderWay(): boolean {
    return this.#timer !== undefined;
  }

  /** From when on the next one may be sent beside keepalive; Infinity while only the peer can change that. */
  get allowedMs(): number {
    return this.isUnderWay || this.#unforgiven >= MAX_UNFORGIVEN ? Infinity : this.#sentMs + INTERVAL_MS;
  }

  send(): void {
    if (this.isUnderWay) return;
    this.#sentMs = this.#clock.nowMs();
    this.#unforgiven += 1;
    putPing(this.#outbox, OPAQUE);
    this.#timer = this.#clock.after(ANSWER_MS, () => this.#events.onSilence(ANSWER_MS));
  }

  /** Asks unless that was done since the last HEADERS or DATA; true when an answer is awaited. */
  askOnce(): boolean {
    if (!this.isUnderWay && this.#unforgiven === 0) this.send();
    return this.isUnderWay;
  }

  /** HEADERS or DATA have come. */
  forgive(): void {
    this.#unforgiven = 0;
  }

  /** Takes an acknowledgement; false when it is none of ours. */
  take(frame: Frame): boolean {
    if ((frame.flags & Flag.ack) === 0 || !this.isUnderWay) return false;
    if (OPAQUE.compare(frame.bytes, frame.start, frame.end) !== 0) return false;
    this.stop();
    this.#events.onAnswer();
    return true;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
