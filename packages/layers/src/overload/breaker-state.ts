import type { BreakerPolicy } from '@bascule/core';

/**
 * - `closed`: calls pass and are counted
 * - `open`: none passes until its time
 * - `half-open`: a few pass, and decide
 */
export type BreakerState =
  | { readonly name: 'closed' }
  | { readonly name: 'open'; readonly untilMs: number; readonly openMs: number }
  | {
      readonly name: 'half-open';
      /** How long it was open before. */
      readonly openMs: number;
      /** Probes without a result yet. */
      readonly running: number;
      readonly succeeded: number;
      /** When the last probe began. */
      readonly probedMs: number;
    };

export const CLOSED: BreakerState = { name: 'closed' };

/**
 * - `trip`: too many of the calls in the window failed
 * - `probe`: a call goes through to see
 * - `probe-good`, `probe-bad`, `probe-gone`: how it went; `gone` is one that its caller gave up
 */
export type BreakerEvent = 'trip' | 'probe' | 'probe-good' | 'probe-bad' | 'probe-gone';

/** Open times grow to this many times the policy's. */
const MAX_GROWTH = 10;

/** What becomes of a breaker. An event that its state does not know changes nothing. */
export function nextState(
  state: BreakerState,
  event: BreakerEvent,
  policy: BreakerPolicy,
  nowMs: number,
): BreakerState {
  if (state.name === 'closed') return event === 'trip' ? openFor(policy.openMs, nowMs) : state;
  if (state.name === 'open') {
    if (event !== 'probe') return state;
    return { name: 'half-open', openMs: state.openMs, running: 1, succeeded: 0, probedMs: nowMs };
  }
  switch (event) {
    case 'probe':
      // One that took the place of a silent one: there are never more than may be.
      return { ...state, running: Math.min(state.running + 1, policy.probes), probedMs: nowMs };
    case 'probe-good': {
      const succeeded = state.succeeded + 1;
      return succeeded >= policy.probes ? CLOSED : { ...state, running: Math.max(0, state.running - 1), succeeded };
    }
    case 'probe-gone':
      return { ...state, running: Math.max(0, state.running - 1) };
    case 'probe-bad':
      return openFor(Math.min(state.openMs * 2, policy.openMs * MAX_GROWTH), nowMs);
    case 'trip':
    default:
      return state;
  }
}

/** What happens to a call now. */
export function admits(state: BreakerState, policy: BreakerPolicy, nowMs: number): 'pass' | 'probe' | 'refuse' {
  if (state.name === 'closed') return 'pass';
  if (state.name === 'open') return nowMs >= state.untilMs ? 'probe' : 'refuse';
  if (state.running + state.succeeded < policy.probes) return 'probe';
  // A probe that says nothing for so long may never do: its place goes to another, or it would stay half-open for good.
  return nowMs - state.probedMs >= state.openMs ? 'probe' : 'refuse';
}

function openFor(openMs: number, nowMs: number): BreakerState {
  return { name: 'open', untilMs: nowMs + openMs, openMs };
}
