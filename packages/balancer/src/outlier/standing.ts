import type { OutlierPolicy } from '../balancing-policy.ts';

/**
 * Where an endpoint stands with outlier detection.
 * - `in`: takes calls
 * - `ejected`: takes none, until a sweep after `untilMs`
 * - `probing`: its time is over; one call at a time shows whether it is well again
 *
 * `times` is what the next ejection's length grows by. All times are monotonic milliseconds.
 */
export type Standing =
  | { readonly name: 'in'; readonly times: number }
  | {
      readonly name: 'ejected';
      readonly times: number;
      readonly sinceMs: number;
      readonly untilMs: number;
      /** For people: `5 failures in a row`. */
      readonly cause: string;
    }
  | { readonly name: 'probing'; readonly times: number; readonly isOpen: boolean; readonly cause: string };

/** `interval` is a sweep; `probe` a call lent to who is probing; `check-passed` an active check that failed before. */
export type StandingEvent =
  | { readonly type: 'eject'; readonly cause: string; readonly nowMs: number }
  | { readonly type: 'interval'; readonly nowMs: number }
  | { readonly type: 'probe' }
  | { readonly type: 'probe-succeeded' }
  | { readonly type: 'probe-dropped' }
  | { readonly type: 'check-passed' }
  /** Its connection is a new one: what answers may be another process, as after a restart. */
  | { readonly type: 'reconnected' };

/** Who has not been heard of. */
export const GOOD_STANDING: Standing = { name: 'in', times: 0 };

/** What becomes of a standing. Events that do not concern it leave it as it is: the same object. */
export function transition(standing: Standing, event: StandingEvent, policy: OutlierPolicy): Standing {
  switch (event.type) {
    case 'eject':
      return standing.name === 'ejected' ? standing : eject(standing.times, event.cause, event.nowMs, policy);
    case 'interval':
      return afterInterval(standing, event.nowMs, policy);
    case 'probe':
      return standing.name === 'probing' ? { ...standing, isOpen: true } : standing;
    case 'probe-succeeded':
      return standing.name === 'probing' ? { name: 'in', times: standing.times } : standing;
    case 'probe-dropped':
      return standing.name === 'probing' ? { ...standing, isOpen: false } : standing;
    case 'reconnected':
      return standing.name === 'ejected' ? tried(standing, policy) : standing;
    case 'check-passed':
      return standing.name === 'in' ? standing : { name: 'in', times: standing.times };
    default:
      return event satisfies never;
  }
}

/** Each interval without an ejection lowers the multiplier by 1. Source: gRFC A50. */
function afterInterval(standing: Standing, nowMs: number, policy: OutlierPolicy): Standing {
  const { name, times } = standing;
  if (name === 'in') return times === 0 ? standing : { name, times: times - 1 };
  if (name === 'probing' || nowMs < standing.untilMs) return standing;
  return tried(standing, policy);
}

function tried({ times, cause }: Extract<Standing, { name: 'ejected' }>, { probation }: OutlierPolicy): Standing {
  return probation ? { name: 'probing', times, isOpen: false, cause } : { name: 'in', times };
}

function eject(before: number, cause: string, nowMs: number, policy: OutlierPolicy): Standing {
  const { baseEjectionMs, maxEjectionMs } = policy;
  const longestMs = Math.max(baseEjectionMs, maxEjectionMs);
  // At its longest the multiplier grows no more, as in Envoy: it would take as many intervals to come down again.
  const times = before > 0 && baseEjectionMs * before >= longestMs ? before : before + 1;
  return {
    name: 'ejected',
    times,
    sinceMs: nowMs,
    untilMs: nowMs + Math.min(baseEjectionMs * times, longestMs),
    cause,
  };
}
