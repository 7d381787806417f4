import type { Clock } from '@bascule/core';

/** Counts events per second of the clock, in O(1) memory. */
export interface RateGuard {
  /** Counts one; false when there were too many in this second. */
  allow(): boolean;
}

export function createRateGuard(clock: Clock, perSecond: number): RateGuard {
  let sinceMs = clock.nowMs();
  let count = 0;
  return {
    allow() {
      const nowMs = clock.nowMs();
      if (nowMs - sinceMs >= 1000) {
        sinceMs = nowMs;
        count = 0;
      }
      count += 1;
      return count <= perSecond;
    },
  };
}
