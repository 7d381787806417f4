import type { Clock } from '@bascule/core';

/** Takes so many at once, and forgives so many per second. */
export class BurstGuard {
  private readonly clock: Clock;
  private readonly burst: number;
  private readonly perSecond: number;
  private left: number;
  private sinceMs: number;

  constructor(clock: Clock, burst: number, perSecond: number) {
    this.clock = clock;
    this.burst = burst;
    this.perSecond = perSecond;
    this.left = burst;
    this.sinceMs = clock.nowMs();
  }

  /** Counts one; false when it is one too many. */
  allow(): boolean {
    const nowMs = this.clock.nowMs();
    this.left = Math.min(this.burst, this.left + ((nowMs - this.sinceMs) / 1_000) * this.perSecond);
    this.sinceMs = nowMs;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}
