import type { Clock, RequestHead } from '@bascule/core';
import { createRetryBudget, createRetryThrottle, type RetryBudget, type RetryThrottle } from '@bascule/layers';
import type { ClusterFacts, Policies } from '../snapshot.ts';

/** What bounds the retries of each service. It outlasts changes of the configuration that are about something else. */
export interface Budgets {
  budgetOf(head: RequestHead): RetryBudget;
  throttleOf(head: RequestHead): RetryThrottle | undefined;
  /** Takes the settings of a new snapshot; forgets services that are gone. */
  apply(clusters: readonly ClusterFacts[], settings: Policies['retryBudget']): void;
}

type Throttling = NonNullable<ClusterFacts['retryThrottling']>;

interface Kept {
  readonly budget: RetryBudget;
  readonly throttle: RetryThrottle | undefined;
  readonly throttling: Throttling | undefined;
}

export function createBudgets(clock: Clock): Budgets {
  let settings: Policies['retryBudget'] = { percent: 20, reservePerSecond: 10, windowMs: 10_000 };
  let services = new Map<string, Kept>();
  /** Of a cluster that has gone between the route and here. */
  const stray = createRetryBudget({ clock, ...settings });

  return {
    budgetOf: ({ call }) => services.get(call.cluster)?.budget ?? stray,
    throttleOf: ({ call }) => services.get(call.cluster)?.throttle,
    apply(clusters, next) {
      const isSame =
        next.percent === settings.percent &&
        next.reservePerSecond === settings.reservePerSecond &&
        next.windowMs === settings.windowMs;
      settings = next;
      services = new Map(
        clusters.map(({ service, retryThrottling }) => {
          const before = services.get(service);
          const budget = (isSame ? before?.budget : undefined) ?? createRetryBudget({ clock, ...next });
          return [service, { budget, ...throttleOf(retryThrottling, before) }];
        }),
      );
    },
  };
}

function throttleOf(throttling: Throttling | undefined, before: Kept | undefined): Omit<Kept, 'budget'> {
  if (throttling === undefined) return { throttle: undefined, throttling };
  const old = before?.throttling;
  if (old?.maxTokens === throttling.maxTokens && old.tokenRatio === throttling.tokenRatio) {
    return { throttle: before?.throttle, throttling: old };
  }
  return { throttle: createRetryThrottle(throttling), throttling };
}
