import type { Clock, Layer, RequestHead, Service, ServiceLimits } from '@bascule/core';
import {
  createAdmissionLayer,
  createAdmitLayer,
  createAffinityLayer,
  createBreakerLayer,
  createCacheLayer,
  createConcurrencyLayer,
  createFaultLayer,
  createFirstMessageLayer,
  createMirrorLayer,
  createRateLimitLayer,
  createRetryLayer,
  type LimitStore,
  type Metrics,
} from '@bascule/layers';
import type { Budgets } from './budgets.ts';

export interface TreatmentOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly budgets: Budgets;
  limitsOf(head: RequestHead): ServiceLimits;
  readonly localLimits: LimitStore;
  readonly sharedLimits: LimitStore;
  /** Lends an endpoint and runs the call on it. */
  readonly pick: Service;
}

/**
 * The layers that do to a call what its policy says. They are made once: buckets, breakers and open calls outlast a
 * change of the configuration, which only changes the policies of calls.
 */
export interface Treatment {
  readonly fault: Layer;
  readonly firstMessage: Layer;
  readonly rateLimit: Layer;
  readonly affinity: Layer;
  readonly admit: Layer;
  readonly admission: Layer;
  readonly concurrency: Layer;
  readonly retry: Layer;
  readonly breaker: Layer;
  readonly cache: Layer;
  readonly mirror: Layer;
}

export function createTreatment(options: TreatmentOptions): Treatment {
  const { clock, metrics, budgets } = options;
  const limitsOf = (head: RequestHead): ServiceLimits => options.limitsOf(head);
  describe(metrics);
  return {
    fault: createFaultLayer({ clock }),
    firstMessage: createFirstMessageLayer({ clock }),
    rateLimit: createRateLimitLayer({
      clock,
      local: options.localLimits,
      shared: options.sharedLimits,
      onLimited: (_head, { name }) => metrics.incCounter('bascule_rate_limited_total', { limit: name }),
    }),
    affinity: createAffinityLayer({ clock }),
    admit: createAdmitLayer({ limitsOf }),
    admission: createAdmissionLayer({ clock }),
    concurrency: createConcurrencyLayer({ clock }),
    retry: createRetryLayer({
      clock,
      budgetOf: (head) => budgets.budgetOf(head),
      throttleOf: (head) => budgets.throttleOf(head),
      limitsOf,
      onRetry: ({ call }, kind) => metrics.incCounter('bascule_attempts_total', { service: call.cluster, kind }),
    }),
    breaker: createBreakerLayer({
      clock,
      onChange: (breaker, state) => metrics.incCounter('bascule_breaker_changes_total', { breaker, state }),
    }),
    cache: createCacheLayer({
      clock,
      onUse: ({ call }, use) => metrics.incCounter('bascule_cache_uses_total', { service: call.cluster, use }),
    }),
    mirror: createMirrorLayer({
      clock,
      service: options.pick,
      onDiff: ({ call }, { kind }) => metrics.incCounter('bascule_mirror_diffs_total', { service: call.cluster, kind }),
      onEnd: ({ call }, end) => metrics.incCounter('bascule_mirrored_total', { service: call.cluster, end }),
    }),
  };
}

function describe(metrics: Metrics): void {
  metrics.describe('bascule_rate_limited_total', 'Calls refused by a rate limit.');
  metrics.describe('bascule_attempts_total', 'Attempts beside the first, by why there was one.');
  metrics.describe('bascule_breaker_changes_total', 'Times that a breaker came into a state.');
  metrics.describe('bascule_cache_uses_total', 'Calls that a kept answer might serve, by how they were answered.');
  metrics.describe('bascule_mirror_diffs_total', 'Copies of calls whose answer differed, by the first difference.');
  metrics.describe('bascule_mirrored_total', 'Calls that were copied, by what became of the copy.');
}
