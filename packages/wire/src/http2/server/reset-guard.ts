import type { Clock } from '@bascule/core';
import { ConnectionFault, ErrorCode } from '../errors.ts';

export interface ResetLimits {
  /** Resets that one burst may hold. */
  readonly resetBurst: number;
  /** Resets per second that are forgiven. */
  readonly resetPerSecond: number;
}

/** After so many bursts a client is judged by the share of its streams that it reset: 500 streams with the usual burst. */
const LIFETIME_BURSTS = 2.5;

/**
 * Counts streams that ended before their answer was whole, by RST_STREAM (CVE-2023-44487) or by a frame that makes us
 * send one (CVE-2025-8671): work is begun for each of them, and nobody waits for it.
 */
export class ResetGuard {
  readonly #clock: Clock;
  readonly #limits: ResetLimits;
  #tokens: number;
  #filledMs: number;
  #opened = 0;
  #resets = 0;

  constructor(clock: Clock, limits: ResetLimits) {
    this.#clock = clock;
    this.#limits = limits;
    this.#tokens = limits.resetBurst;
    this.#filledMs = clock.nowMs();
  }

  opened(): void {
    this.#opened += 1;
  }

  /** Counts one; throws when there were too many. */
  count(kind: 'rapid-reset' | 'provoked-reset' | 'too-many-streams'): void {
    this.#resets += 1;
    if (
      this.#takeToken() &&
      !(this.#resets > LIFETIME_BURSTS * this.#limits.resetBurst && this.#resets * 2 > this.#opened)
    )
      return;
    throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many streams were reset', kind);
  }

  #takeToken(): boolean {
    const { resetBurst, resetPerSecond } = this.#limits;
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(resetBurst, this.#tokens + ((nowMs - this.#filledMs) / 1000) * resetPerSecond);
    this.#filledMs = nowMs;
    this.#tokens -= 1;
    return this.#tokens >= 0;
  }
}
