import { hash64, type Clock, type RateLimit } from '@bascule/core';
import { createLocalLimits, type LimitStore, type Taken } from '@bascule/layers';
import { RedisLink } from './redis-link.ts';
import { stepMicros } from './script.ts';

export interface RedisLimitsOptions {
  readonly clock: Clock;
  /** `redis[s]://[user[:password]@]host[:port][/database]`. */
  readonly url: string;
  /** PEM of whom to trust for `rediss`; default is whom Node trusts. */
  readonly ca?: string;
  /** How long a call waits for Redis, in ms. Default 50. */
  readonly timeoutMs?: number;
  /**
   * Part of each limit that this process gives out by itself while Redis is away, in (0, 1]. Default 1: each gateway
   * allows all of it, so N of them N times as much for that time. 1/N keeps to the limit where calls come evenly.
   */
  readonly fallbackShare?: number;
  /** Before the names of keys. Default `bascule:limit:`. */
  readonly prefix?: string;
  /** Hears when Redis is lost and found, for logs and metrics. Must not throw. */
  onChange?(state: 'up' | 'down', reason: string): void;
}

export interface RedisLimits extends LimitStore {
  readonly state: 'up' | 'down';
  close(): void;
}

/** A take that waits for the end of the turn, and then for Redis. */
interface Asked {
  readonly key: string;
  readonly limit: RateLimit;
  readonly redisKey: string;
  /** Undefined gives one back. */
  readonly settle: ((taken: Taken) => void) | undefined;
}

const TIMEOUT_MS = 50;
/** Keys in one run of the script: Redis does nothing else meanwhile. */
const MAX_BATCH = 128;
/** Takes that may wait for an answer. What is beyond is decided here. */
const MAX_WAITING = 10_000;

/**
 * Buckets that all gateways share, in one Redis. The takes of one turn go out as one command. A call waits for `timeoutMs`
 * at most and never fails for Redis: when it does not answer in time the call is decided by buckets here, and so are all
 * others, at no cost, until a new connection has answered in time. What Redis allows is taken from the buckets here as well,
 * so that they are not full when they are needed. Keys hold a hash of what tells callers apart, which may be a secret. The
 * keys of one command may be anywhere, so it must be one Redis (with replicas, if any), not a cluster.
 */
export function createRedisLimits(options: RedisLimitsOptions): RedisLimits {
  const { clock, timeoutMs = TIMEOUT_MS, fallbackShare = 1, prefix = 'bascule:limit:' } = options;
  const local = createLocalLimits({ clock, share: fallbackShare });
  const link = new RedisLink({
    clock,
    url: options.url,
    ca: options.ca,
    timeoutMs,
    probeKey: `${prefix}probe`,
    onChange: (state, reason) => options.onChange?.(state, reason),
  });
  let batch: Asked[] = [];
  let waiting = 0;

  function ask(key: string, limit: RateLimit, settle: Asked['settle']): void {
    if (batch.length === 0) setImmediate(flush);
    batch.push({ key, limit, redisKey: `${prefix}${limit.name}:${hashOf(key)}`, settle });
    if (batch.length >= MAX_BATCH) flush();
  }

  function flush(): void {
    const asked = batch;
    if (asked.length === 0) return;
    batch = [];
    waiting += asked.length;
    const keys = asked.map(({ redisKey }) => redisKey);
    const values = asked.flatMap(({ limit, settle }) => argumentsOf(limit, settle === undefined));
    link.take(keys, values, (answers) => {
      waiting -= asked.length;
      for (let i = 0; i < asked.length; i++) {
        const { key, limit, settle } = asked[i] as Asked;
        if (settle === undefined) continue;
        const here = local.take(key, limit, clock.nowMs()) as Taken;
        settle(answers === undefined ? here : takenOf(limit, answers[i] as number));
      }
    });
  }

  return {
    get state() {
      return link.isUp() ? 'up' : 'down';
    },
    take(key, limit, nowMs) {
      if (!link.isUp() || waiting + batch.length >= MAX_WAITING) return local.take(key, limit, nowMs);
      return new Promise((resolve) => ask(key, limit, resolve));
    },
    giveBack(key, limit) {
      local.giveBack(key, limit);
      if (link.isUp()) ask(key, limit, undefined);
    },
    close: () => link.close(),
  };
}

function hashOf(key: string): string {
  if (key === '') return '';
  const { high, low } = hash64(key);
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

function argumentsOf(limit: RateLimit, isGivenBack: boolean): string[] {
  const step = stepMicros(limit);
  return [String(step), isGivenBack ? '0' : String(Math.round(step * Math.max(1, limit.burst)))];
}

function takenOf(limit: RateLimit, leftMicros: number): Taken {
  return leftMicros < 0
    ? { allowed: false, left: 0, retryAfterMs: -leftMicros / 1_000 }
    : { allowed: true, left: Math.floor(leftMicros / stepMicros(limit)), retryAfterMs: 0 };
}
