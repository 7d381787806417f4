import type { OutlierPolicy } from '../balancing-policy.ts';
import type { Tally } from './tally.ts';

/** Somebody whose last interval is judged. */
export interface Judged {
  readonly tally: Tally;
}

/** Who a rule speaks against, and why, for people. */
export interface Verdict<T> {
  readonly member: T;
  readonly cause: string;
}

/**
 * Those whose success rate is below the mean of all by more than `stdevFactor` standard deviations. Members with fewer
 * than `minCalls` are left out of it, and fewer than `minEndpoints` others say nothing. Source: gRFC A50, Envoy.
 */
export function failsMoreThanOthers<T extends Judged>(
  members: readonly T[],
  rule: NonNullable<OutlierPolicy['successRate']>,
): Verdict<T>[] {
  const busy = members.filter(({ tally }) => tally.calls >= Math.max(1, rule.minCalls));
  if (busy.length < Math.max(1, rule.minEndpoints)) return [];
  const rates = busy.map(({ tally }) => tally.succeeded / tally.calls);
  const mean = rates.reduce((a, b) => a + b) / rates.length;
  const deviation = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
  const threshold = mean - deviation * rule.stdevFactor;
  return busy.flatMap((member, i) => {
    const rate = rates[i] as number;
    if (!(rate < threshold)) return [];
    return [{ member, cause: `${percent(rate)} of its calls succeed, ${percent(mean)} of all` }];
  });
}

/** Those of whose calls more than `threshold` percent fail. Source: gRFC A50, Envoy. */
export function failsTooOften<T extends Judged>(
  members: readonly T[],
  rule: NonNullable<OutlierPolicy['failurePercentage']>,
): Verdict<T>[] {
  const busy = members.filter(({ tally }) => tally.calls >= Math.max(1, rule.minCalls));
  if (busy.length < Math.max(1, rule.minEndpoints)) return [];
  return busy.flatMap((member) => {
    const rate = member.tally.failed / member.tally.calls;
    return rate * 100 > rule.threshold ? [{ member, cause: `${percent(rate)} of its calls fail` }] : [];
  });
}

/** Those whose mean answer takes more than `factor` times the median of all means. */
export function isSlowerThanOthers<T extends Judged>(
  members: readonly T[],
  rule: NonNullable<OutlierPolicy['latency']>,
): Verdict<T>[] {
  const busy = members.filter(({ tally }) => tally.timed >= Math.max(1, rule.minCalls));
  if (busy.length < Math.max(1, rule.minEndpoints)) return [];
  const median = medianOf(busy.map(({ tally }) => tally.meanMs));
  return busy.flatMap((member) => {
    const { meanMs } = member.tally;
    if (!(meanMs > rule.factor * median)) return [];
    return [{ member, cause: `takes ${meanMs.toFixed(0)} ms where the others take ${median.toFixed(0)} ms` }];
  });
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(0)} %`;
}
