import type { BalancingPolicy, PolicyName } from '@bascule/balancer';
import type { CallPolicy } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import type { NodeTransportOptions } from './options.ts';

/** Least and most that a number may be; one that has no third place must be there where its group is. */
type Range = readonly [least: number, most: number, presence?: 'optional'];
type Ranges = Readonly<Record<string, Range>>;

/** Above 0: durations and rates whose 0 would divide, or never end. */
const ABOVE_0 = Number.MIN_VALUE;
const TIME: Range = [0, Infinity, 'optional'];
const COUNT: Range = [1, Infinity, 'optional'];
const PERCENT: Range = [0, 100, 'optional'];
const CHOICES: Ranges = { choiceCount: [2, 10] };
const BOUND: Ranges = { boundPercent: [100, 10_000, 'optional'] };

/** Beyond these a policy picks nobody, fails at every pick, or builds tables without end. */
const SPECS: Readonly<Record<PolicyName, Ranges>> = {
  'round-robin': {},
  random: {},
  'least-request': { ...CHOICES, fullScanUpTo: [0, Infinity], activeRequestBias: [0, Infinity] },
  'least-response-time': CHOICES,
  'peak-ewma': { ...CHOICES, decayMs: [ABOVE_0, Infinity], initialMs: [ABOVE_0, Infinity] },
  'orca-weighted-round-robin': {
    blackoutMs: [0, Infinity],
    expirationMs: [ABOVE_0, Infinity],
    updateMs: [ABOVE_0, Infinity],
    errorPenalty: [0, Infinity],
  },
  'dynamic-weight': { updateMs: [ABOVE_0, Infinity], gain: [ABOVE_0, 1] },
  'ring-hash': { ...BOUND, minRingSize: [1, 8_388_608], maxRingSize: [1, 8_388_608] },
  maglev: { ...BOUND, tableSize: [3, 5_000_011] },
  rendezvous: BOUND,
};

const BALANCING: Ranges = {
  panicPercent: PERCENT,
  overprovisioningPercent: [100, Infinity, 'optional'],
  messagesPerCall: [ABOVE_0, Infinity, 'optional'],
  maxOpenCallsPerEndpoint: COUNT,
  maxConnections: COUNT,
  loadReportPeriodMs: [ABOVE_0, Infinity, 'optional'],
};

const POLICY: Ranges = {
  defaultTimeoutMs: TIME,
  defaultStreamTimeoutMs: TIME,
  maxTimeoutMs: TIME,
  connectTimeoutMs: TIME,
  maxRequestBytes: [0, Infinity, 'optional'],
  maxResponseBytes: [0, Infinity, 'optional'],
};
const PARTS: Readonly<Partial<Record<keyof CallPolicy, Ranges>>> = {
  retry: {
    maxAttempts: [1, Infinity],
    initialBackoffMs: TIME,
    maxBackoffMs: TIME,
    backoffMultiplier: [ABOVE_0, Infinity, 'optional'],
    perAttemptTimeoutMs: [ABOVE_0, Infinity, 'optional'],
  },
  hedge: { maxAttempts: [1, Infinity], delayMs: TIME, percentile: [0, 1, 'optional'], maxExtraPercent: PERCENT },
  breaker: {
    errorPercent: [ABOVE_0, 100],
    minCalls: [1, Infinity],
    windowMs: [ABOVE_0, Infinity],
    openMs: [ABOVE_0, Infinity],
    probes: [1, Infinity],
  },
  concurrency: { maxLimit: COUNT, maxQueue: TIME },
  mirror: { percent: [0, 100] },
  cache: { ttlMs: [0, Infinity], maxBytes: [0, Infinity] },
};
const RATE_LIMIT: Ranges = { perSecond: [ABOVE_0, Infinity], burst: [1, Infinity] };

const OPTIONS: Ranges = { connectWaitMs: TIME, idleTimeoutMs: TIME };
const LIMITS: Ranges = { maxCalls: COUNT, maxStreams: COUNT, maxPending: TIME, maxRetries: TIME };
const RETRY_BUDGET: Ranges = { percent: PERCENT, reservePerSecond: TIME, windowMs: [ABOVE_0, Infinity, 'optional'] };

/** Throws ConnectError for options that types cannot tell from good ones. Policies of calls are checked by method. */
export function checkOptions(options: NodeTransportOptions): void {
  const { limits, retryBudget, balancing, discovery } = options;
  checkRanges('', options, OPTIONS);
  checkRanges('limits.', limits, LIMITS);
  checkRanges('retryBudget.', retryBudget, RETRY_BUDGET);
  for (const [index, source] of (discovery?.sources ?? []).entries()) {
    const url: unknown = typeof source === 'string' ? source : source.url;
    if (typeof url !== 'string')
      throw wrong(`discovery.sources[${index}].url`, url, 'a URL, like dns://places.internal:8080');
  }
  if (balancing !== undefined) checkBalancing(balancing);
}

/** How calls of one method are treated; throws ConnectError. */
export function checkCallPolicy(policy: CallPolicy): CallPolicy {
  checkRanges('policy.', policy, POLICY);
  for (const [part, ranges] of Object.entries(PARTS)) {
    checkRanges(`policy.${part}.`, policy[part as keyof CallPolicy], ranges);
  }
  for (const [index, limit] of (policy.rateLimits ?? []).entries()) {
    checkRanges(`policy.rateLimits[${index}].`, limit, RATE_LIMIT);
  }
  return policy;
}

function checkBalancing(balancing: Partial<BalancingPolicy>): void {
  checkRanges('balancing.', balancing, BALANCING);
  const { policy } = balancing;
  if (policy === undefined) return;
  const ranges = Object.hasOwn(SPECS, policy.name ?? '') ? SPECS[policy.name] : undefined;
  if (ranges === undefined) {
    throw wrong('balancing.policy.name', policy.name ?? policy, `one of ${Object.keys(SPECS).join(', ')}`);
  }
  checkRanges('balancing.policy.', policy, ranges);
  if (policy.name === 'ring-hash' && policy.minRingSize > policy.maxRingSize) {
    throw wrong('balancing.policy.minRingSize', policy.minRingSize, `at most maxRingSize, ${policy.maxRingSize}`);
  }
  if (policy.name === 'maglev' && !isPrime(policy.tableSize)) {
    throw wrong('balancing.policy.tableSize', policy.tableSize, 'a prime, like 65537');
  }
}

function checkRanges(where: string, group: unknown, ranges: Ranges): void {
  if (group === undefined) return;
  for (const [name, [least, most, presence]] of Object.entries(ranges)) {
    const value = (group as Readonly<Record<string, unknown>>)[name];
    if (value === undefined && presence === 'optional') continue;
    if (typeof value === 'number' && value >= least && value <= most) continue;
    const from = least === ABOVE_0 ? 'a number above 0' : `a number of at least ${least}`;
    throw wrong(`${where}${name}`, value, `${from}${most === Infinity ? '' : `, ${most} at most`}`);
  }
}

function isPrime(n: number): boolean {
  for (let divisor = 2; divisor * divisor <= n; divisor++) if (n % divisor === 0) return false;
  return n > 1;
}

function wrong(option: string, value: unknown, wanted: string): ConnectError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return new ConnectError(`${option} is ${shown}; it must be ${wanted}`, Code.Internal);
}
