import type { Clock, RateLimit } from '@bascule/core';
import type { LimitStore, Taken } from '@bascule/layers';
import type { SharedLimitFacts } from '../../snapshot.ts';
import { createRedisLimits, type RedisLimits } from './redis-limits.ts';

/** Where shared limits are counted: in Redis as the configuration names it, in this process without. */
export interface SharedLimits extends LimitStore {
  /** Takes the settings of a new snapshot; undefined counts here. */
  configure(facts: SharedLimitFacts | undefined): void;
  close(): void;
}

export interface SharedLimitsOptions {
  readonly clock: Clock;
  /** Buckets of this process. */
  readonly local: LimitStore;
  /** Hears when Redis is lost and found. */
  onChange(state: 'up' | 'down'): void;
}

export function createSharedLimits(options: SharedLimitsOptions): SharedLimits {
  const { clock, local } = options;
  let known: SharedLimitFacts | undefined;
  let redis: RedisLimits | undefined;
  return {
    take: (key: string, limit: RateLimit, nowMs: number): Taken | Promise<Taken> =>
      (redis ?? local).take(key, limit, nowMs),
    giveBack: (key, limit) => (redis ?? local).giveBack(key, limit),
    configure(facts) {
      const isSame =
        facts?.url === known?.url && facts?.password === known?.password && facts?.timeoutMs === known?.timeoutMs;
      if (isSame) return;
      known = facts;
      redis?.close();
      redis =
        facts &&
        createRedisLimits({
          clock,
          url: urlOf(facts),
          timeoutMs: facts.timeoutMs,
          onChange: (state) => options.onChange(state),
        });
    },
    close: () => redis?.close(),
  };
}

function urlOf({ url, password }: SharedLimitFacts): string {
  if (password === undefined) return url;
  const whole = new URL(url);
  whole.password = encodeURIComponent(password);
  return whole.href;
}
