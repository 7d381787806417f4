import type { CallFact } from '@bascule/web';
import { toBuild } from './builds.ts';

/** Seconds that the line of calls per second looks back. */
export const SECONDS_SHOWN = 60;

const RECENT_CALLS = 40;
const DURATIONS_KEPT = 300;

export interface RecentCall extends CallFact {
  /** Counts calls from 1. */
  readonly number: number;
}

/** How many answers a backend or a build of the module gave. */
export interface Answers {
  readonly name: string;
  readonly count: number;
  /** Number of the newest answer. */
  readonly newest: number;
}

export interface CallStats {
  readonly total: number;
  readonly failed: number;
  /** Calls that the gateway had to send more than once. */
  readonly retried: number;
  /** Newest first. */
  readonly recent: readonly RecentCall[];
  /** Of unary calls that went well, newest last. */
  readonly durationsMs: readonly number[];
  readonly backends: readonly Answers[];
  readonly versions: readonly Answers[];
  /** Calls that ended in each of the last seconds that the page was there for, the running one last. */
  readonly perSecond: readonly number[];
}

export const NO_CALLS: CallStats = {
  total: 0,
  failed: 0,
  retried: 0,
  recent: [],
  durationsMs: [],
  backends: [],
  versions: [],
  perSecond: [0],
};

/** Streams are as long as somebody looks at them: they would spoil the latencies. */
const STREAMS = new Set(['Watch', 'Nearby', 'Follow', 'Tally']);

/** Whether a call went wrong. What the page gave up on its own did not. */
export function isFailure({ code }: CallFact): boolean {
  return code !== 'ok' && code !== 'canceled';
}

/** Counts a call that has ended. */
export function addCall(stats: CallStats, fact: CallFact): CallStats {
  const number = stats.total + 1;
  const measured = fact.code === 'ok' && !STREAMS.has(fact.method);
  const answered = fact.endpoint !== undefined && fact.version === undefined;
  return {
    total: number,
    failed: stats.failed + (isFailure(fact) ? 1 : 0),
    retried: stats.retried + ((fact.attempts ?? 1) > 1 ? 1 : 0),
    recent: [{ ...fact, number }, ...stats.recent].slice(0, RECENT_CALLS),
    durationsMs: measured ? [...stats.durationsMs, fact.durationMs].slice(-DURATIONS_KEPT) : stats.durationsMs,
    backends: answered ? addAnswer(stats.backends, toInstance(fact.endpoint ?? ''), number) : stats.backends,
    versions:
      fact.version === undefined
        ? stats.versions
        : addAnswer(stats.versions, toBuild(fact.version, fact.endpoint), number),
    perSecond: [...stats.perSecond.slice(0, -1), (stats.perSecond.at(-1) ?? 0) + 1],
  };
}

/** Begins another second. */
export function addSecond(stats: CallStats): CallStats {
  return { ...stats, perSecond: [...stats.perSecond.slice(1 - SECONDS_SHOWN), 0] };
}

/** Calls per second over the last full seconds. */
export function toRate({ perSecond }: CallStats, seconds = 5): number {
  const full = perSecond.slice(-1 - seconds, -1);
  return full.reduce((sum, calls) => sum + calls, 0) / Math.max(1, full.length);
}

/** Fewer calls have no 99th percentile worth the name: it would be the one that opened the connection. */
export const CALLS_FOR_P99 = 100;

/** The duration that `share` (0 to 1) of the calls did not exceed; undefined without calls. */
export function toPercentile(durationsMs: readonly number[], share: number): number | undefined {
  const sorted = durationsMs.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** The instance of an endpoint's key: a backend that was started again is the same row. */
export function toInstance(endpoint: string): string {
  return endpoint.split('#')[0] ?? endpoint;
}

function addAnswer(list: readonly Answers[], name: string, newest: number): Answers[] {
  const known = list.find((each) => each.name === name);
  if (known === undefined) {
    return [...list, { name, count: 1, newest }].sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }
  return list.map((each) => (each === known ? { name, count: known.count + 1, newest } : each));
}
