import type { Clock, HedgePolicy, RequestHead } from '@bascule/core';
import { createRetryBudget, type RetryBudget } from './budget.ts';
import { createLatencies, type Latencies } from './latencies.ts';

/** What is known of a method whose calls are hedged. */
interface MethodFacts {
  readonly latencies: Latencies;
  readonly maxExtraPercent: number | undefined;
  /** Undefined where the retry budget bounds hedges. */
  readonly budget: RetryBudget | undefined;
}

/** A policy without any delay waits for the slow ones among a method's calls. */
const DEFAULT_QUANTILE = 0.95;
const DEFAULT_EXTRA_PERCENT = 5;
/** Source: Finagle's BackupRequestFilter, which has it so that fast methods do not double their calls. */
const MIN_DELAY_MS = 1;
/** Methods come from schemas; a bound in case that they change without end. */
const MAX_METHODS = 2_000;

/** By method: what each can bear, and how long its calls take. */
export class HedgeFacts {
  readonly #clock: Clock;
  readonly #methods = new Map<string, MethodFacts>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Time after which the next attempt starts; undefined while too little is known of the method. */
  delayMs(head: RequestHead, policy: HedgePolicy): number | undefined {
    if (policy.delayMs !== undefined) return policy.delayMs;
    const ms = this.#of(head, policy).latencies.quantileMs(policy.percentile ?? DEFAULT_QUANTILE);
    return ms === undefined ? undefined : Math.max(MIN_DELAY_MS, ms);
  }

  /** Without a reserve: backup requests are a share of the calls, however few those are. Source: as above. */
  budgetOf(head: RequestHead, policy: HedgePolicy): RetryBudget | undefined {
    return this.#of(head, policy).budget;
  }

  /** Of policies by percentile, which learn from it. */
  record(head: RequestHead, policy: HedgePolicy, ms: number): void {
    if (policy.delayMs === undefined) this.#of(head, policy).latencies.record(ms);
  }

  #of({ path }: RequestHead, policy: HedgePolicy): MethodFacts {
    const known = this.#methods.get(path);
    const percent = policy.maxExtraPercent ?? (policy.delayMs === undefined ? DEFAULT_EXTRA_PERCENT : undefined);
    if (known !== undefined && known.maxExtraPercent === percent) return known;
    if (this.#methods.size >= MAX_METHODS) this.#methods.clear();
    const clock = this.#clock;
    const budget =
      percent === undefined ? undefined : createRetryBudget({ clock, percent, reservePerSecond: 0, windowMs: 10_000 });
    const facts = { latencies: known?.latencies ?? createLatencies(clock), maxExtraPercent: percent, budget };
    this.#methods.set(path, facts);
    return facts;
  }
}
