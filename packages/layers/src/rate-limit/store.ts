import type { RateLimit } from '@bascule/core';

/** What a bucket says to one call. */
export interface Taken {
  readonly allowed: boolean;
  /** Calls that could come at once after this one; 0 where it is not allowed. */
  readonly left: number;
  /** Time after which a call is let through again, in ms; 0 where it is allowed. */
  readonly retryAfterMs: number;
}

/** Where buckets are kept: in this process, or where others see them too. */
export interface LimitStore {
  /**
   * Takes one call from the bucket of `key` under the limit's name. Never throws and never rejects: a store that cannot
   * ask decides by itself. `nowMs` is monotonic; who keeps buckets elsewhere goes by the time there.
   */
  take(key: string, limit: RateLimit, nowMs: number): Taken | Promise<Taken>;
  /** Puts back what was taken for a call that another limit has refused then. */
  giveBack(key: string, limit: RateLimit): void;
}
