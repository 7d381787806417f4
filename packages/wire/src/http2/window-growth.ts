import { INITIAL_CREDIT_BYTES, type Clock } from '@bascule/core';
import type { ReceiveWindow } from './flow.ts';

/** Before anything has been measured: a path across a continent. */
const START_ROUND_TRIP_MS = 50;
/** Below this the clock and the event loop are what is measured. */
const MIN_ROUND_TRIP_MS = 1;

/** What growth knows of one upload. */
export interface GrowingUpload {
  readonly receive: ReceiveWindow;
  receivedBytes: number;
  /** `receivedBytes` and the clock when growth was thought of last. */
  thoughtBytes: number;
  thoughtMs: number;
}

/**
 * Widens the window of an upload whose reader keeps up: one that uses half of its window within two round trips is held
 * back by the window, not by the reader. What all uploads of a connection grow by is bounded, since a reader that stops
 * then leaves that much in our memory.
 */
export class WindowGrowth {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  #budgetBytes: number;
  #roundTripMs = START_ROUND_TRIP_MS;

  constructor(clock: Clock, maxStreamBytes: number, budgetBytes: number) {
    this.#clock = clock;
    this.#maxBytes = maxStreamBytes;
    this.#budgetBytes = budgetBytes;
  }

  /** A round trip was measured. */
  measured(roundTripMs: number): void {
    this.#roundTripMs = Math.max(MIN_ROUND_TRIP_MS, roundTripMs);
  }

  /** The reader has caught up with all that came; the window is about to be announced. */
  consider(upload: GrowingUpload): void {
    const { receive } = upload;
    if (upload.receivedBytes - upload.thoughtBytes < receive.size >>> 1) return;
    const nowMs = this.#clock.nowMs();
    const sinceMs = nowMs - upload.thoughtMs;
    upload.thoughtBytes = upload.receivedBytes;
    upload.thoughtMs = nowMs;
    if (sinceMs > 2 * this.#roundTripMs) return;
    const extra = Math.max(0, Math.min(receive.size, this.#maxBytes - receive.size, this.#budgetBytes));
    receive.size += extra;
    receive.returned += extra;
    this.#budgetBytes -= extra;
  }

  /** The upload is over: others may grow instead. */
  release(receive: ReceiveWindow): void {
    this.#budgetBytes += receive.size - INITIAL_CREDIT_BYTES;
  }
}
