import { Code, sleep, systemClock, type RateLimit, type Service } from '@bascule/core';
import { createLocalLimits, createRateLimitLayer } from '@bascule/layers';
import { createHead, startCall } from '@bascule/testing';
import { createRedisLimits, type RedisLimits } from '../../../packages/gateway/src/data/limits/redis-limits.ts';

const clock = systemClock;

/** What came of all calls. */
export interface Tally {
  allowed: number;
  limited: number;
  /** Ended in any other way, which none may. */
  readonly wrongs: string[];
  open: number;
  /** Longest that a call took, in ms. */
  longestMs: number;
}

export interface Gateway {
  readonly limits: RedisLimits;
  stop(): Promise<void>;
}

export interface GatewayOptions {
  readonly url: string;
  readonly limit: RateLimit;
  readonly fallbackShare: number;
  readonly callers: number;
  readonly tally: Tally;
  readonly onChange: (state: 'up' | 'down') => void;
}

/** Answers at once. */
const answering: Service = (_head, reply) => ({
  write() {},
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant() {},
});

/** A rate-limited service with callers that call again and again, a few milliseconds apart. */
export function startGateway({ url, limit, fallbackShare, callers, tally, onChange }: GatewayOptions): Gateway {
  const limits = createRedisLimits({ clock, url, fallbackShare, onChange });
  const layer = createRateLimitLayer({ clock, local: createLocalLimits({ clock }), shared: limits });
  const service = layer(answering);
  let isStopped = false;

  async function callOnce(): Promise<void> {
    const head = createHead();
    head.call.policy = { rateLimits: [limit] };
    const startedMs = clock.nowMs();
    tally.open++;
    const call = startCall(service, head);
    call.body.end();
    await call.done;
    tally.open--;
    tally.longestMs = Math.max(tally.longestMs, clock.nowMs() - startedMs);
    if (call.error === undefined) tally.allowed++;
    else if (call.error.code === Code.resourceExhausted) tally.limited++;
    else tally.wrongs.push(call.error.message);
  }

  async function callAgain(): Promise<void> {
    if (isStopped) return;
    await callOnce();
    await sleep(clock, 1 + clock.random() * 8);
    return callAgain();
  }

  const running = Array.from({ length: callers }, callAgain);
  return {
    limits,
    async stop() {
      isStopped = true;
      await Promise.all(running);
      limits.close();
    },
  };
}

/** How late timers of this process are: what it is kept from doing is no fault of what it does. */
export function watchLag(): { longestMs(): number; stop(): void } {
  let longestMs = 0;
  let dueMs = clock.nowMs() + 5;
  const timer = setInterval(() => {
    longestMs = Math.max(longestMs, clock.nowMs() - dueMs);
    dueMs = clock.nowMs() + 5;
  }, 5);
  return { longestMs: () => longestMs, stop: () => clearInterval(timer) };
}
