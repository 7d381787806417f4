import { compose, type Clock, type Layer, type Service, type ServiceLimits } from '@bascule/core';
import {
  createAdmissionLayer,
  createAdmitLayer,
  createAffinityLayer,
  createBreakerLayer,
  createCacheLayer,
  createConcurrencyLayer,
  createFaultLayer,
  createFirstMessageLayer,
  createLocalLimits,
  createMirrorLayer,
  createRateLimitLayer,
  createRetryBudget,
  createRetryLayer,
  createRetryThrottle,
  createTimeoutFieldLayer,
  type RetryBudget,
} from '@bascule/layers';
import type { NodeTransportOptions } from './options.ts';
import type { TransportSettings } from './settings.ts';

const DEFAULT_MAX_PENDING = 1_024;
/** Limits of each service, with defaults for what the options do not say. */
export function limitsOf({ limits }: NodeTransportOptions): ServiceLimits {
  return { maxCalls: Infinity, maxPending: DEFAULT_MAX_PENDING, ...limits };
}

/** Whether calls are to be treated in any way beyond being sent. */
export function hasStack({ discovery, policy, serviceConfig, limits }: NodeTransportOptions): boolean {
  return discovery !== undefined || policy !== undefined || serviceConfig !== undefined || limits !== undefined;
}

/**
 * What every call passes on its way to `innermost`, outermost first: the gateway's layers in the gateway's order. The
 * deadline and the sizes of messages are kept by who makes the call. Copies go to `mirror`; undefined makes none.
 */
export function createCallStack(
  options: NodeTransportOptions,
  { clock, serviceConfig }: TransportSettings,
  innermost: Service,
  mirror?: Service,
): Service {
  const { sharedLimits } = options;
  const throttle = serviceConfig?.throttle && createRetryThrottle(serviceConfig.throttle);
  const limits = limitsOf(options);
  const budgetOf = createBudgets(options, clock);
  return compose(
    [
      createFaultLayer({ clock }),
      createFirstMessageLayer({ clock }),
      createRateLimitLayer({
        clock,
        local: createLocalLimits({ clock }),
        ...(sharedLimits !== undefined && { shared: sharedLimits }),
      }),
      createAffinityLayer({ clock }),
      createCacheLayer({ clock }),
      ...(isLimited(limits) ? [createAdmitLayer({ limitsOf: () => limits })] : []),
      createAdmissionLayer({ clock }),
      createConcurrencyLayer({ clock }),
      ...(mirror === undefined ? [] : [createMirrors(options, clock, mirror)]),
      createRetryLayer({
        clock,
        budgetOf: ({ call }) => budgetOf(call.cluster),
        throttleOf: () => throttle,
        limitsOf: () => limits,
      }),
      // Inside of retries: each attempt counts, and says how much time is left.
      createBreakerLayer({ clock }),
      createTimeoutFieldLayer({ clock }),
    ],
    innermost,
  );
}

function createMirrors(options: NodeTransportOptions, clock: Clock, service: Service): Layer {
  return createMirrorLayer({
    clock,
    service,
    onDiff({ call }, diff) {
      if (call.method !== undefined) options.onMirrorDiff?.(call.method, diff);
    },
  });
}

function isLimited({ maxCalls, maxStreams }: ServiceLimits): boolean {
  return maxCalls < Infinity || maxStreams !== undefined;
}

/** One for each service, so that one in trouble takes nothing from the others. Services are those of the program: few. */
function createBudgets({ retryBudget }: NodeTransportOptions, clock: Clock): (service: string) => RetryBudget {
  const settings = { clock, percent: 20, reservePerSecond: 10, windowMs: 10_000, ...retryBudget };
  const budgets = new Map<string, RetryBudget>();
  return (service) => {
    let budget = budgets.get(service);
    if (budget === undefined) budgets.set(service, (budget = createRetryBudget(settings)));
    return budget;
  };
}
