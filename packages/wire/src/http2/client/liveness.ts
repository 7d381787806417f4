import type { Clock } from '@bascule/core';
import type { Frame } from '../frames.ts';
import type { Outbox } from '../outbox.ts';
import { HeldWork } from './held-work.ts';
import { Keepalive } from './keepalive.ts';
import { Pings } from './pings.ts';

/** What one connection asks its peer by PING: whether it lives, and how far it has read. */
export class Liveness {
  readonly heldWork: HeldWork;
  readonly #pings: Pings;
  readonly #keepalive: Keepalive;

  /** `onDead` hears of a peer that has not answered in time. */
  constructor(clock: Clock, outbox: Outbox, keepaliveMs: number, onDead: (reason: string) => void) {
    this.#pings = new Pings(clock, outbox, {
      onAnswer: () => this.heldWork.answered(),
      onSilence: (answerMs) => onDead(`the backend did not answer a PING within ${answerMs / 1000} s`),
    });
    this.heldWork = new HeldWork(clock, outbox, this.#pings);
    this.#keepalive = new Keepalive(clock, this.#pings, keepaliveMs);
  }

  /** A call is open. */
  begin(): void {
    this.#keepalive.start();
  }

  /** No call is open, or the connection ends. */
  rest(): void {
    this.#keepalive.stop();
  }

  /** Bytes have come. */
  heard(): void {
    this.#keepalive.heard();
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
    this.heldWork.releaseAll();
  }
}
