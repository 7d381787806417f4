import type { AdmissionPolicy, CachePolicy, CallPolicy, Code, ConcurrencyPolicy, FaultPolicy } from '@bascule/core';
import type { Place } from '@bascule/layers';
import type { ServerCallLimits } from './options.ts';
import { mayHave, oneOf, said } from './option-place.ts';
import { readRateLimit } from './read-rate-limit.ts';

/** What one scope says. Names of states and numbers of fields may be missing still. */
export interface ScopePolicy {
  readonly policy: CallPolicy;
  readonly limits: ServerCallLimits | undefined;
}

const PARTS = [
  'defaultTimeoutMs',
  'defaultStreamTimeoutMs',
  'maxTimeoutMs',
  'maxRequestBytes',
  'maxResponseBytes',
  'criticality',
  'rateLimits',
  'limits',
  'admission',
  'concurrency',
  'fault',
  'cache',
];
const OF_CALLERS = new Set(['retry', 'hedge', 'breaker', 'affinity', 'mirror', 'connectTimeoutMs']);

/** As long as a timer can be. */
const TIME = { atLeast: 1, atMost: 2_147_483_647 };
const PERCENT = { above: 0, atMost: 100 };
const COUNT = { atLeast: 1 };
const SIZE = { atLeast: 0, atMost: 4_294_967_295 };
const DEFAULT_CACHE_BYTES = 16_777_216;
const MIN_CACHE_BYTES = 1_024;
const MAX_QUEUE = 100_000;

/** Reads what a program says of one scope, and notes what is wrong with it, by the option's path. */
export function readPolicy(place: Place): ScopePolicy {
  if (!place.required().isObject()) return { policy: {}, limits: undefined };
  const callers = place.names().filter((name) => OF_CALLERS.has(name));
  for (const name of callers) place.field(name).problem('is for who makes calls: a gateway or a Node transport');
  mayHave(place, [...PARTS, ...callers]);
  const limits = place.field('rateLimits');
  const isThere = (name: string): boolean => place.field(name).isObject();
  const policy = {
    defaultTimeoutMs: place.field('defaultTimeoutMs').number({ ...TIME, atLeast: 0 }),
    defaultStreamTimeoutMs: place.field('defaultStreamTimeoutMs').number({ ...TIME, atLeast: 0 }),
    maxTimeoutMs: place.field('maxTimeoutMs').number(TIME),
    maxRequestBytes: place.field('maxRequestBytes').integer(SIZE),
    maxResponseBytes: place.field('maxResponseBytes').integer(SIZE),
    criticality: oneOf(place.field('criticality'), ['critical', 'default', 'sheddable']),
    rateLimits: limits.isThere() ? limits.items().flatMap((item) => readRateLimit(item) ?? []) : undefined,
    admission: isThere('admission') ? readAdmission(place.field('admission')) : undefined,
    concurrency: isThere('concurrency') ? readConcurrency(place.field('concurrency')) : undefined,
    fault: isThere('fault') ? readFault(place.field('fault')) : undefined,
    cache: isThere('cache') ? readCache(place.field('cache')) : undefined,
  };
  return { policy: said(policy), limits: isThere('limits') ? readLimits(place.field('limits')) : undefined };
}

function readLimits(place: Place): ServerCallLimits {
  mayHave(place, ['maxCalls', 'maxStreams']);
  return said({
    maxCalls: place.field('maxCalls').integer(COUNT),
    maxStreams: place.field('maxStreams').integer(COUNT),
  });
}

function readAdmission(place: Place): AdmissionPolicy {
  mayHave(place, ['name', 'windowMs', 'successPercent', 'aggression', 'minPerSecond', 'maxRefusedPercent']);
  const parts = said({
    windowMs: place.field('windowMs').number({ ...TIME, atLeast: 1_000 }),
    successPercent: place.field('successPercent').number(PERCENT),
    aggression: place.field('aggression').number({ above: 0 }),
    minPerSecond: place.field('minPerSecond').number({ atLeast: 0 }),
    maxRefusedPercent: place.field('maxRefusedPercent').number({ atLeast: 0, atMost: 100 }),
  });
  return { name: place.field('name').string() ?? '', ...parts };
}

function readConcurrency(place: Place): ConcurrencyPolicy {
  mayHave(place, ['name', 'maxLimit', 'maxQueue']);
  const parts = said({
    maxLimit: place.field('maxLimit').integer(COUNT),
    maxQueue: place.field('maxQueue').integer({ atLeast: 0, atMost: MAX_QUEUE }),
  });
  return { name: place.field('name').string() ?? '', ...parts };
}

function readFault(place: Place): FaultPolicy {
  mayHave(place, ['header', 'delay', 'abort']);
  const [header, delay, abort] = [place.field('header'), place.field('delay'), place.field('abort')];
  mayHave(header, ['name', 'value']);
  mayHave(delay, ['percent', 'ms']);
  mayHave(abort, ['percent', 'code']);
  return said({
    header: header.isThere()
      ? { name: header.field('name').required().string() ?? '', ...said({ value: header.field('value').string() }) }
      : undefined,
    delay: delay.isThere()
      ? { percent: percentOf(delay), ms: delay.field('ms').required().number(TIME) ?? 0 }
      : undefined,
    abort: abort.isThere()
      ? { percent: percentOf(abort), code: abort.field('code').required().integer({ atLeast: 1, atMost: 16 }) as Code }
      : undefined,
  });
}

function percentOf(place: Place): number {
  return place.field('percent').required().number(PERCENT) ?? 0;
}

function readCache(place: Place): CachePolicy {
  mayHave(place, ['ttlMs', 'maxBytes', 'varyOn']);
  return {
    ttlMs: place.field('ttlMs').number({ atLeast: 0 }) ?? 0,
    maxBytes: place.field('maxBytes').integer({ atLeast: MIN_CACHE_BYTES }) ?? DEFAULT_CACHE_BYTES,
    varyOn: place
      .field('varyOn')
      .items()
      .flatMap((item) => item.required().string() ?? []),
  };
}
