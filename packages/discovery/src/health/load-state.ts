import type { Load, LoadLimitSettings } from './health-checks.ts';

/** What an endpoint says of its load, against its limit. */
export type LoadState =
  | { readonly kind: 'fine' }
  /** Above the limit since, and not for long enough, or too many others are. */
  | { readonly kind: 'high'; readonly sinceMs: number }
  | { readonly kind: 'over'; readonly why: string };

/** Below this part of the limit it is well again: at the limit itself it would go to and fro. */
const RECOVERY = 0.9;

/** The state after one more report. `mayLeave` tells whether it may be taken out; it is asked only when it matters. */
export function toNextLoad(
  state: LoadState,
  { load, limit, nowMs }: { readonly load: Load; readonly limit: LoadLimitSettings; readonly nowMs: number },
  mayLeave: () => boolean,
): LoadState {
  const utilization = load.applicationUtilization > 0 ? load.applicationUtilization : load.cpuUtilization;
  if (state.kind === 'over') return utilization < limit.maxUtilization * RECOVERY ? { kind: 'fine' } : state;
  if (utilization <= limit.maxUtilization) return { kind: 'fine' };
  const sinceMs = state.kind === 'high' ? state.sinceMs : nowMs;
  if (nowMs - sinceMs < limit.afterMs || !mayLeave()) return { kind: 'high', sinceMs };
  return { kind: 'over', why: `utilization ${round(utilization)} is above ${round(limit.maxUtilization)}` };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
