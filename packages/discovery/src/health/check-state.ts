import type { CheckSettings } from './health-checks.ts';

/** What is known of one endpoint by one check. */
export type CheckState =
  /** Not asked yet, and gets calls. */
  | { readonly kind: 'unchecked' }
  /** Not answered yet, and gets none. */
  | { readonly kind: 'pending' }
  /** `failures` in a row since it passed last. */
  | { readonly kind: 'passing'; readonly failures: number }
  /** `successes` in a row since it failed last, which was because of `why`. */
  | { readonly kind: 'failing'; readonly successes: number; readonly why: string };

export type Thresholds = Pick<CheckSettings, 'unhealthyThreshold' | 'healthyThreshold'>;

/** The state after one more answer: undefined is a success, a text says why not. The first answer decides at once. */
export function toNextState(state: CheckState, why: string | undefined, thresholds: Thresholds): CheckState {
  return why === undefined ? afterSuccess(state, thresholds) : afterFailure(state, why, thresholds);
}

function afterSuccess(state: CheckState, { healthyThreshold }: Thresholds): CheckState {
  if (state.kind === 'failing') {
    const successes = state.successes + 1;
    if (successes < healthyThreshold) return { ...state, successes };
  }
  return state.kind === 'passing' && state.failures === 0 ? state : { kind: 'passing', failures: 0 };
}

function afterFailure(state: CheckState, why: string, { unhealthyThreshold }: Thresholds): CheckState {
  if (state.kind === 'passing') {
    const failures = state.failures + 1;
    if (failures < unhealthyThreshold) return { kind: 'passing', failures };
  }
  if (state.kind === 'failing' && state.successes === 0 && state.why === why) return state;
  return { kind: 'failing', successes: 0, why };
}
