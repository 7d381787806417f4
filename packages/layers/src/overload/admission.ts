import {
  callError,
  Code,
  type AdmissionPolicy,
  type CallContext,
  type CallError,
  type Clock,
  type Criticality,
  type Layer,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { refuseCall } from '../refusal.ts';
import { CallWindow } from './call-window.ts';
import { JudgedCall, type Verdict } from './judged-call.ts';
import { NamedStates } from './named-states.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  /** Hears of each call that is refused. Must not throw. */
  onRefused?(head: RequestHead, policy: AdmissionPolicy): void;
}

/** What is known of the calls of late, and what is asked of them. */
export interface AdmissionFacts {
  readonly calls: number;
  readonly failures: number;
  /** Share of calls that must succeed, in (0, 1]. */
  readonly success: number;
  /** At least 1. */
  readonly aggression: number;
}

const WINDOW_MS = 120_000;
const SLOTS = 60;
const SUCCESS_PERCENT = 95;
const MIN_PER_SECOND = 5;
const MAX_REFUSED_PERCENT = 80;
/** Odds above which critical calls are refused as well. */
const CRITICAL_FROM = 0.5;

/** Share of calls to refuse, in [0, 1). Source: Envoy, admission_control_filter.rst. */
export function refusalOdds({ calls, failures, success, aggression }: AdmissionFacts): number {
  const odds = (calls - (calls - failures) / success) / (calls + 1);
  return odds <= 0 ? 0 : odds ** (1 / aggression);
}

/**
 * The same for calls that matter more or less: sheddable ones are refused at twice the odds, critical ones only by what
 * the odds are beyond one half, and then up to as often as all others.
 */
export function oddsFor(criticality: Criticality, odds: number): number {
  if (criticality === 'sheddable') return Math.min(1, odds * 2);
  if (criticality === 'critical') return Math.max(0, (odds - CRITICAL_FROM) / (1 - CRITICAL_FROM));
  return odds;
}

/**
 * Refuses a share of the calls to a service whose success rate has fallen, the larger the lower it is, so that it gets as
 * many as it can still answer: `unavailable`, never sent. A call has failed when its status speaks against the service, or
 * is the service's own `resource_exhausted`; refused calls count as none. Stands outside of retry. Source: Envoy's
 * admission control, after client-side throttling in Google's Site Reliability Engineering, chapter 21.
 */
export function createAdmissionLayer(options: AdmissionOptions): Layer {
  const { clock } = options;
  const states = new NamedStates<Admission>();
  return (next) => (head, reply) => {
    const { policy, method } = head.call;
    if (policy.admission === undefined) return next(head, reply);
    const { name } = policy.admission;
    const nowMs = clock.nowMs();
    const state = states.find(name, nowMs) ?? states.add(name, new Admission(policy.admission, nowMs));
    const odds = state.oddsNow(policy.admission, policy.criticality ?? method?.rules?.criticality ?? 'default', nowMs);
    head.call.explanation?.notes.push(`admission "${name}": ${Math.round(odds * 100)} of 100 such calls are refused`);
    if (odds > 0 && clock.random() < odds) {
      options.onRefused?.(head, policy.admission);
      return refuseCall(reply, shed(head.call.cluster, odds));
    }
    const call = new AdmittedCall(reply, head.call, clock, state);
    return call.begin(next(head, call));
  };
}

function shed(cluster: string, odds: number): CallError {
  const message = `${cluster} fails too often, so ${Math.round(odds * 100)} of 100 calls are not made; try again later`;
  return callError(Code.unavailable, message, 'never-sent');
}

/** The state of one name. */
class Admission {
  usedMs: number;
  #window: CallWindow;
  /** When the first call of the window ended. */
  #sinceMs: number;

  constructor(policy: AdmissionPolicy, nowMs: number) {
    this.usedMs = nowMs;
    this.#sinceMs = nowMs;
    this.#window = new CallWindow(policy.windowMs ?? WINDOW_MS, SLOTS, nowMs);
  }

  count(isFailure: boolean, nowMs: number): void {
    this.#window.turn(nowMs);
    if (this.#window.calls === 0) this.#sinceMs = nowMs;
    this.#window.add(isFailure, nowMs);
  }

  oddsNow(policy: AdmissionPolicy, criticality: Criticality, nowMs: number): number {
    const { windowMs = WINDOW_MS, minPerSecond = MIN_PER_SECOND, maxRefusedPercent = MAX_REFUSED_PERCENT } = policy;
    if (windowMs !== this.#window.windowMs) this.#window = new CallWindow(windowMs, SLOTS, nowMs);
    const window = this.#window;
    if (window.failures === 0) return 0;
    window.turn(nowMs);
    // At least a second: the first calls would read as a flood.
    const seconds = Math.max(1_000, Math.min(windowMs, nowMs - this.#sinceMs)) / 1_000;
    if (window.calls / seconds < minPerSecond) return 0;
    const odds = refusalOdds({
      calls: window.calls,
      failures: window.failures,
      success: (policy.successPercent ?? SUCCESS_PERCENT) / 100,
      aggression: Math.max(1, policy.aggression ?? 1),
    });
    return Math.min(maxRefusedPercent / 100, oddsFor(criticality, odds));
  }
}

class AdmittedCall extends JudgedCall {
  readonly #state: Admission;

  constructor(reply: Reply, call: CallContext, clock: Clock, state: Admission) {
    super(reply, call, clock);
    this.#state = state;
  }

  protected judge(verdict: Verdict): void {
    if (verdict !== 'nothing') this.#state.count(verdict !== 'good', this.clock.nowMs());
  }
}
