import { compose, type Clock, type Layer, type Service, type ServiceLimits } from '@bascule/core';
import {
  createAdmitLayer,
  createRetryBudget,
  createRetryLayer,
  createTimeoutFieldLayer,
  type RetryBudget,
} from '@bascule/layers';
import type { NodeTransportOptions } from './options.ts';

const DEFAULT_MAX_PENDING = 1_024;

/** Limits of each service, with defaults for what the options do not say. */
export function limitsOf({ limits }: NodeTransportOptions): ServiceLimits {
  return { maxCalls: Infinity, maxPending: DEFAULT_MAX_PENDING, ...limits };
}

/** Whether calls are to be treated in any way beyond being sent. */
export function hasStack({ discovery, policy, serviceConfig, limits }: NodeTransportOptions): boolean {
  return discovery !== undefined || policy !== undefined || serviceConfig !== undefined || limits !== undefined;
}

/** What every call passes on its way to `innermost`, outermost first. The deadline itself is kept by who makes the call. */
export function createCallStack(options: NodeTransportOptions, clock: Clock, innermost: Service): Service {
  const limits = limitsOf(options);
  const isLimited = limits.maxCalls < Infinity || limits.maxStreams !== undefined;
  const budgetOf = createBudgets(options, clock);
  const layers: Layer[] = [
    ...(isLimited ? [createAdmitLayer({ limitsOf: () => limits })] : []),
    createRetryLayer({ clock, budgetOf: ({ call }) => budgetOf(call.cluster), limitsOf: () => limits }),
    // Inside of retries: each attempt says how much time is left.
    createTimeoutFieldLayer({ clock }),
  ];
  return compose(layers, innermost);
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
