import type { Verdict } from '../membership/membership.ts';
import type { CheckState } from './check-state.ts';

/** The worst of what the checks of an endpoint say; `over` is why it is overloaded, where it is. */
export function toVerdict(states: readonly CheckState[], over: string | undefined): Verdict {
  for (const state of states) if (state.kind === 'failing') return { verdict: 'failing', why: state.why };
  if (states.some(({ kind }) => kind === 'pending')) {
    return { verdict: 'pending', why: 'its health watch has not answered yet' };
  }
  if (over !== undefined) return { verdict: 'overloaded', why: over };
  return { verdict: states.some(({ kind }) => kind === 'passing') ? 'passing' : 'unknown' };
}
