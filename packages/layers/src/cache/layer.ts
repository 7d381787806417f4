import type { Clock, Layer, RequestHead } from '@bascule/core';
import { readCacheControl } from './cache-control.ts';
import { CachedCall, type CacheParts, type CacheUse } from './cached-call.ts';
import { AnswerStore } from './store.ts';

export interface CacheOptions {
  readonly clock: Clock;
  /** Longest answer kept, in bytes with its prefix. Default 1 MiB; the policy's `maxBytes` bounds all together. */
  readonly maxAnswerBytes?: number;
  /** Calls that may wait for the answer of one; more make their own. Default 1,000. */
  readonly maxWaiting?: number;
  /** Told how each call that may be answered from the cache was. */
  onUse?(head: RequestHead, use: CacheUse): void;
}

/** Requests are keys: longer ones are no keys, and below the initial credit. */
const MAX_REQUEST_BYTES = 16_384;

/**
 * Keeps answers of unary methods without side effects, as `policy.cache` says, and lets calls that are the same at the
 * same time share one answer. Two calls are the same when method, host, cluster, encodings, principal, the fields of
 * `varyOn` and every byte of the request are. Only answers that are OK are kept, for as long as their `cache-control` says or the
 * policy; `private`, `no-store`, `no-cache`, a `vary` on something else and a cookie make an answer its caller's alone.
 * Calls with credentials that nobody has checked get and leave what is `public` only. `maxBytes` holds for all answers
 * of a service. Source: RFC 9111, as a shared cache that never gives out what is stale.
 */
export function createCacheLayer(options: CacheOptions): Layer {
  const { clock, maxAnswerBytes = 1_048_576, maxWaiting = 1_000 } = options;
  const stores = new Map<string, AnswerStore>();
  const parts: CacheParts = {
    clock,
    flights: new Map(),
    maxAnswerBytes,
    maxRequestBytes: MAX_REQUEST_BYTES,
    maxWaiting,
    onUse: (head, use) => options.onUse?.(head, use),
    storeOf(path) {
      const service = path.slice(0, path.indexOf('/', 1));
      const store = stores.get(service) ?? new AnswerStore(clock);
      stores.set(service, store);
      return store;
    },
  };
  return (next) => (head, reply) => {
    const policy = head.call.policy.cache;
    if (policy === undefined || !mayBeKept(head)) return next(head, reply);
    return new CachedCall({ head, reply, next }, parts, policy);
  };
}

function mayBeKept({ call, fields }: RequestHead): boolean {
  const { method, explanation } = call;
  if (method?.kind !== 'unary' || method.idempotency !== 'no_side_effects') return false;
  return explanation?.dryRun !== true && !readCacheControl(fields).noStore;
}
