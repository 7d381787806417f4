import type { Clock } from '@bascule/core';
import { ConnectionFault, ErrorCode } from '../errors.ts';
import { createRateGuard, type RateGuard } from '../guards.ts';
import type { Http2Limits } from '../limits.ts';

/** Frames that a backend may not send too many of (RFC 9113, 10.5). All of them throw when there are. */
export class Floods {
  readonly #settings: RateGuard;
  readonly #pings: RateGuard;
  #probedFrames = 0;

  constructor(clock: Clock, limits: Http2Limits) {
    this.#settings = createRateGuard(clock, limits.maxSettingsPerSecond);
    this.#pings = createRateGuard(clock, limits.maxPingsPerSecond);
  }

  settings(): void {
    if (!this.#settings.allow()) throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many SETTINGS');
  }

  /** gRPC servers measure their path with a PING per round trip while calls come in: those are no flood. */
  ping(sentFrames: number): void {
    const isProbe = sentFrames !== this.#probedFrames;
    this.#probedFrames = sentFrames;
    if (!isProbe && !this.#pings.allow()) throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many PINGs');
  }
}
