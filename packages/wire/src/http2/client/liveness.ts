import type { Clock } from '@bascule/core';
import type { Frame } from '../frames.ts';
import type { Outbox } from '../outbox.ts';
import { Doubt, type DoubtEvents } from './doubt.ts';
import { HeldWork } from './held-work.ts';
import { Keepalive } from './keepalive.ts';
import { Pings } from './pings.ts';

export interface LivenessOptions extends DoubtEvents {
  readonly keepaliveMs: number;
  readonly silenceMs: number;
  /** The peer has not answered in time. */
  onDead(reason: string): void;
}

/** What one connection asks its peer by PING: whether it lives, and how far it has read. */
export class Liveness {
  readonly heldWork: HeldWork;
  readonly #pings: Pings;
  readonly #keepalive: Keepalive;
  readonly #doubt: Doubt;

  constructor(clock: Clock, outbox: Outbox, options: LivenessOptions) {
    this.#pings = new Pings(clock, outbox, {
      onAnswer: () => this.heldWork.answered(),
      onSilence: (answerMs) => options.onDead(`the backend did not answer a PING within ${answerMs / 1000} s`),
    });
    this.heldWork = new HeldWork(clock, outbox, this.#pings);
    this.#keepalive = new Keepalive(clock, this.#pings, options.keepaliveMs);
    this.#doubt = new Doubt(clock, this.#pings, options.silenceMs, options);
  }

  /** Whether the peer stands still, as far as can be told. */
  get isDoubted(): boolean {
    return this.#doubt.isDoubted;
  }

  /** A call is open. */
  begin(): void {
    this.#keepalive.start();
    this.#doubt.start();
  }

  /** No call is open, or the connection ends. */
  rest(): void {
    this.#keepalive.stop();
    this.#doubt.rest();
  }

  /** Bytes have come. */
  heard(): void {
    this.#keepalive.heard();
    this.#doubt.heard();
  }

  /** HEADERS or DATA have come. */
  onCallFrame(): void {
    this.#pings.forgive();
    this.heldWork.reconsider();
  }

  /** Takes a PING; false when it is no answer to one of ours. */
  onPing(frame: Frame): boolean {
    return this.#pings.take(frame);
  }

  /** The connection is gone. */
  end(): void {
    this.#pings.stop();
    this.#keepalive.stop();
    this.#doubt.end();
    this.heldWork.releaseAll();
  }
}
