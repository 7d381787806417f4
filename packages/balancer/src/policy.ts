import type { Clock } from '@bascule/core';
import type { PolicySpec } from './balancing-policy.ts';

/** What a policy may know of a member. Read at each pick, so plain numbers. */
export interface Candidate {
  /** Instance id: what hashing policies place on their tables, stable over restarts. */
  readonly id: string;
  /** Effective weight: as configured, times slow start. Above 0, not always whole. */
  readonly weight: number;
  /** Calls lent and not yet given back. */
  readonly openCalls: number;
  /** Open calls, and the rate of messages on streams as calls. */
  readonly load: number;
  readonly latency: LatencyView;
  /** What it last said of its load (ORCA); undefined without a word. */
  readonly report: LoadReport | undefined;
  /** Monotonic milliseconds since which it can take calls. */
  readonly readySinceMs: number;
}

/** How fast an endpoint answers, by whole calls and, for streams, by their first message. */
export interface LatencyView {
  /** Samples so far. */
  readonly count: number;
  /** Plain exponentially weighted average in ms, over the decay time of the policy. */
  meanMs(nowMs: number): number;
  /** As peak EWMA has it: rises at once, decays slowly, also while nobody answers. */
  peakMs(nowMs: number): number;
  /**
   * Both for picks: writes mean and peak as of `at.nowMs` to places 0 and 1. A number that a function gives back is an
   * object wherever V8 does not look into it.
   */
  read(at: Pick<PickRequest, 'nowMs'>, into: Float64Array): void;
}

/** Source: ORCA, gRFC A51 and A58. */
export interface LoadReport {
  /** `application_utilization`, or `cpu_utilization` without one. */
  readonly utilization: number;
  readonly qps: number;
  readonly eps: number;
  /** Monotonic milliseconds of the word, and of the first one without a gap since. */
  readonly atMs: number;
  readonly firstMs: number;
}

/** What a pick is made for. One object, filled anew for each pick: policies keep nothing of it. */
export interface PickRequest {
  /** Hash of the call's key; two numbers of 32 bits, so that nothing is allocated. Without a key: of chance. */
  hashHigh: number;
  hashLow: number;
  nowMs: number;
  /** Who must not be given: tried before, full, gone since the picker was made. Undefined is nobody. */
  isOut: ((candidate: Candidate) => boolean) | undefined;
}

/** Chooses among the candidates that it was prepared for. */
export interface Picker<T extends Candidate> {
  /**
   * Gives a candidate that is not out; undefined only when all are. Costs no allocation, and at most a few hundred ns
   * whatever the number of candidates, or the policy's docs say what it costs. The next choice of a hashing policy for
   * a candidate that is out is always the same, so that calls of one key stay together.
   */
  pick(request: PickRequest): T | undefined;
  /** For people: why `chosen` was chosen in the pick just made. Called for calls that ask only. */
  reason(chosen: T): string;
}

/**
 * A policy with its settings: makes a picker for each change of the candidates. What must outlive a change (a turn, a
 * swing) stays in the policy. Building runs in steps, so that a large table stops no call: each `next` takes at most
 * about a millisecond, and the picker before is used until it is done.
 */
export interface Policy {
  /** Whether leases must take time, which costs two looks at the clock per call. */
  readonly needsLatency: boolean;
  /** Decay time for `LatencyView`, in ms. */
  readonly decayMs: number;
  /** Whether picks are by hash, and slow start so does not apply. */
  readonly hashes: boolean;
  /** Milliseconds after which the picker should be made anew though nobody came or went; 0 is never. */
  readonly refreshMs: number;
  prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>>;
}

/** Makes a policy. */
export type PolicyFactory<Name extends PolicySpec['name'] = PolicySpec['name']> = (
  spec: Extract<PolicySpec, { readonly name: Name }>,
  clock: Clock,
) => Policy;

/** Index of the share of the total that holds `point`, which is in [0, sums[last]). */
export function indexAt(sums: ArrayLike<number>, point: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sums[middle] as number) > point) high = middle;
    else low = middle + 1;
  }
  return low;
}
