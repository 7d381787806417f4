import type { Clock } from '@bascule/core';
import type { AbuseKind } from '../../listener/abuse.ts';
import { ConnectionFault, ErrorCode } from '../errors.ts';
import { createRateGuard, type RateGuard } from '../guards.ts';

export interface FloodLimits {
  readonly settingsPerSecond: number;
  readonly pingsPerSecond: number;
  readonly windowUpdatesPerSecond: number;
  readonly prioritiesPerSecond: number;
  readonly emptyDataPerSecond: number;
}

/** A reader that takes an answer in small steps announces each of them. */
const WINDOW_UPDATES_PER_FRAME = 10;
/** Resets that crossed with the end of their stream; each needs a stream, so honest clients send few. */
const STRAYS_PER_SECOND = 1_000;

/**
 * Frames that cost us more than the peer that sends them, each kind with its own count per second (RFC 9113, 10.5). All
 * of them throw when there are too many.
 */
export class FloodGuard {
  readonly #settings: RateGuard;
  readonly #pings: RateGuard;
  readonly #windowUpdates: RateGuard;
  readonly #priorities: RateGuard;
  readonly #emptyData: RateGuard;
  readonly #strays: RateGuard;
  #probedFrames = 0;
  #unpaidUpdates = 0;
  #paidFrames = 0;

  constructor(clock: Clock, limits: FloodLimits) {
    this.#settings = createRateGuard(clock, limits.settingsPerSecond);
    this.#pings = createRateGuard(clock, limits.pingsPerSecond);
    this.#windowUpdates = createRateGuard(clock, limits.windowUpdatesPerSecond);
    this.#priorities = createRateGuard(clock, limits.prioritiesPerSecond);
    this.#emptyData = createRateGuard(clock, limits.emptyDataPerSecond);
    this.#strays = createRateGuard(clock, STRAYS_PER_SECOND);
  }

  settings(): void {
    check(this.#settings, 'settings-flood');
  }

  /** gRPC clients measure their path with a PING per round trip while answers come in: those are no flood. */
  ping(sentFrames: number): void {
    const isProbe = sentFrames !== this.#probedFrames;
    this.#probedFrames = sentFrames;
    if (!isProbe) check(this.#pings, 'ping-flood');
  }

  /** An acknowledgement of a PING, asked for or not. */
  pong(): void {
    check(this.#pings, 'ping-flood');
  }

  windowUpdate(sentFrames: number): void {
    this.#unpaidUpdates += 1;
    if (this.#unpaidUpdates <= (sentFrames - this.#paidFrames) * WINDOW_UPDATES_PER_FRAME) return;
    this.#unpaidUpdates = 0;
    this.#paidFrames = sentFrames;
    check(this.#windowUpdates, 'window-update-flood');
  }

  priority(): void {
    check(this.#priorities, 'priority-flood');
  }

  emptyData(): void {
    check(this.#emptyData, 'empty-data-flood');
  }

  strayReset(): void {
    check(this.#strays, 'stray-flood');
  }
}

function check(guard: RateGuard, kind: AbuseKind): void {
  if (!guard.allow()) throw new ConnectionFault(ErrorCode.enhanceYourCalm, `too many frames: ${kind}`, kind);
}
