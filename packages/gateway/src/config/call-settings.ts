import {
  Code,
  codeFromName,
  type CallKey,
  type CallPolicy,
  type Criticality as CriticalityName,
  type FaultPolicy,
  type HedgePolicy,
  type RateLimit,
  type RetryPolicy,
} from '@bascule/core';
import * as pb from '@bascule/schema/gen/bascule/config/v1/call_policy_pb.ts';
import { toMs } from './duration.ts';

/** Retries of every call, as `calls.retry` has them. */
type RetryDefaults = Pick<RetryPolicy, 'maxAttempts' | 'maxBufferBytes' | 'holdHeadMs'>;

/**
 * What a scope (a service, a method, a route) says of its calls. Limits and breakers without a name get the one of
 * their scope when it is known which service it is for: their names are empty here. So are the numbers of message
 * fields, which need the service's schema.
 */
export function resolveCallPolicy(policy: pb.CallPolicy, defaults: RetryDefaults): CallPolicy {
  const { defaultTimeout, defaultStreamTimeout, maxTimeout, connectTimeout } = policy;
  const { maxRequestBytes, maxResponseBytes } = policy;
  const { retry, hedge, rateLimits, breaker, concurrency, admission, affinity, fault, mirror, cache } = policy;
  const criticality = CRITICALITIES.get(policy.criticality);
  return {
    ...(defaultTimeout && { defaultTimeoutMs: toMs(defaultTimeout, 0) }),
    ...(defaultStreamTimeout && { defaultStreamTimeoutMs: toMs(defaultStreamTimeout, 0) }),
    ...(maxTimeout && { maxTimeoutMs: toMs(maxTimeout, 0) }),
    ...(connectTimeout && { connectTimeoutMs: toMs(connectTimeout, 0) }),
    ...(maxRequestBytes !== undefined && { maxRequestBytes }),
    ...(maxResponseBytes !== undefined && { maxResponseBytes }),
    ...(retry && { retry: resolveRetryPolicy(retry, defaults) }),
    ...(hedge && { hedge: resolveHedge(hedge, defaults) }),
    ...(rateLimits.length > 0 && { rateLimits: rateLimits.map(resolveRateLimit) }),
    ...(breaker && {
      breaker: {
        name: '',
        errorPercent: breaker.errorPercent ?? 50,
        minCalls: breaker.minCalls ?? 20,
        windowMs: toMs(breaker.window, 10_000),
        openMs: toMs(breaker.open, 5_000),
        probes: breaker.probes ?? 3,
      },
    }),
    ...(concurrency && {
      concurrency: { name: '', maxLimit: concurrency.maxLimit ?? 1_000, maxQueue: concurrency.maxQueue ?? 0 },
    }),
    ...(admission && {
      admission: {
        name: '',
        windowMs: toMs(admission.window, 120_000),
        successPercent: admission.successPercent ?? 95,
        aggression: admission.aggression ?? 1,
        minPerSecond: admission.minPerSecond ?? 5,
        maxRefusedPercent: admission.maxRefusedPercent ?? 80,
      },
    }),
    ...(criticality && { criticality }),
    ...(affinity && {
      affinity: { keys: affinity.keys.flatMap(resolveKey), ...(affinity.sticky && resolveSticky(affinity.sticky)) },
    }),
    ...(fault && { fault: resolveFault(fault) }),
    ...(mirror && {
      mirror: { cluster: mirror.service, percent: mirror.percent ?? 100, diff: mirror.diff ?? false },
    }),
    ...(cache && {
      cache: {
        ttlMs: toMs(cache.ttl, 0),
        maxBytes: Math.min(Number(cache.maxBytes ?? 16_777_216n), Number.MAX_SAFE_INTEGER),
        varyOn: [...cache.varyOn],
      },
    }),
  };
}

const CRITICALITIES: ReadonlyMap<pb.Criticality, CriticalityName> = new Map<pb.Criticality, CriticalityName>([
  [pb.Criticality.CRITICAL, 'critical'],
  [pb.Criticality.DEFAULT, 'default'],
  [pb.Criticality.SHEDDABLE, 'sheddable'],
]);

function resolveRetryPolicy(retry: pb.RetryPolicy, defaults: RetryDefaults): RetryPolicy {
  const { maxAttempts = defaults.maxAttempts, codes, initialBackoff, maxBackoff } = retry;
  const { backoffMultiplier, anyMethod, perAttemptTimeout } = retry;
  return {
    ...defaults,
    maxAttempts,
    ...(codes.length > 0 && { codes: codes.map(toCode) }),
    ...(initialBackoff && { initialBackoffMs: toMs(initialBackoff, 0) }),
    ...(maxBackoff && { maxBackoffMs: toMs(maxBackoff, 0) }),
    ...(backoffMultiplier !== undefined && { backoffMultiplier }),
    ...(anyMethod !== undefined && { anyMethod }),
    ...(perAttemptTimeout && { perAttemptTimeoutMs: toMs(perAttemptTimeout, 0) }),
  };
}

function resolveHedge(hedge: pb.HedgePolicy, { maxBufferBytes }: RetryDefaults): HedgePolicy {
  const { start, nonFatalCodes, maxExtraPercent } = hedge;
  return {
    maxAttempts: hedge.maxAttempts ?? 2,
    ...(start.case === 'delay' && { delayMs: toMs(start.value, 0) }),
    ...(start.case === 'percentile' && { percentile: start.value / 100 }),
    ...(nonFatalCodes.length > 0 && { nonFatalCodes: nonFatalCodes.map(toCode) }),
    maxExtraPercent: maxExtraPercent ?? 5,
    ...(maxBufferBytes !== undefined && { maxBufferBytes }),
  };
}

function resolveRateLimit(limit: pb.RateLimit): RateLimit {
  const { name = '', perSecond, burst = Math.max(1, Math.ceil(perSecond)), shared } = limit;
  const key = limit.key && resolveKey(limit.key)[0];
  return { name, perSecond, burst, ...(key && { key }), ...(shared !== undefined && { shared }) };
}

function resolveKey({ from }: pb.Key): CallKey[] {
  switch (from.case) {
    case 'peer':
      return [{ from: 'peer' }];
    case 'header':
      return [{ from: 'header', name: from.value }];
    case 'claim':
      return [{ from: 'claim', name: from.value }];
    case 'field':
      return [{ from: 'field', field: { path: from.value, jsonNames: [], numbers: [], type: 'string' } }];
    case 'cookie': {
      const { name, ttl, path } = from.value;
      return [{ from: 'cookie', name, ...(ttl && { ttlMs: toMs(ttl, 0) }), ...(path !== undefined && { path }) }];
    }
    case undefined:
      return [];
    default:
      return from satisfies never;
  }
}

const DAY_MS = 86_400_000;

function resolveSticky({ name, ttl, path = '/' }: pb.Cookie) {
  return { sticky: { cookie: name, ttlMs: toMs(ttl, DAY_MS), path } };
}

function resolveFault({ header, headerValue, delay, abort }: pb.Fault): FaultPolicy {
  return {
    ...(header !== undefined && { header: { name: header, ...(headerValue !== undefined && { value: headerValue }) } }),
    ...(delay && { delay: { percent: delay.percent, ms: toMs(delay.time, 0) } }),
    ...(abort && { abort: { percent: abort.percent, code: toCode(abort.code ?? 'unavailable') } }),
  };
}

/** The rules of these fields let no others through. */
function toCode(name: string): Code {
  return codeFromName(name) ?? Code.unavailable;
}
