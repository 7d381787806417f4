import {
  callError,
  Code,
  type BreakerPolicy,
  type CallContext,
  type CallError,
  type Clock,
  type Layer,
  type Reply,
} from '@bascule/core';
import { refuseCall } from '../refusal.ts';
import { admits, CLOSED, nextState, type BreakerEvent, type BreakerState } from './breaker-state.ts';
import { CallWindow } from './call-window.ts';
import { JudgedCall, type Verdict } from './judged-call.ts';
import { NamedStates } from './named-states.ts';

export interface BreakerOptions {
  readonly clock: Clock;
  /** Hears of each change. Must not throw. */
  onChange?(name: string, state: BreakerState['name']): void;
}

const SLOTS = 10;

/**
 * Stops calls to a service that fails too often, so that they fail at once instead of waiting, and it can recover: closed,
 * open, half-open. Failures are what speaks against the service: `unknown`, `internal`, `unavailable`, `data_loss`, and
 * `deadline_exceeded` where there had been time. A `resource_exhausted` of the service is none, since one caller beyond
 * its quota would stop it for all. Refused calls get `unavailable`, never sent and final. Stands inside of retry, so that
 * each attempt counts. Source: M. Nygard, Release It!, "Circuit Breaker"; doubling as Finagle's failure accrual.
 */
export function createBreakerLayer(options: BreakerOptions): Layer {
  const { clock } = options;
  const breakers = new NamedStates<Breaker>();
  return (next) => (head, reply) => {
    const policy = head.call.policy.breaker;
    if (policy === undefined) return next(head, reply);
    const nowMs = clock.nowMs();
    const breaker = breakers.find(policy.name, nowMs) ?? breakers.add(policy.name, new Breaker(options, policy, nowMs));
    breaker.apply(policy, nowMs);
    const way = admits(breaker.state, policy, nowMs);
    head.call.explanation?.notes.push(`breaker "${policy.name}": ${breaker.describe(nowMs)}`);
    if (way === 'refuse') return refuseCall(reply, stopped(breaker.state, head.call.cluster, nowMs));
    if (way === 'probe') breaker.move('probe', nowMs);
    const call = new BreakerCall(reply, head.call, clock, breaker, way === 'probe');
    return call.begin(next(head, call));
  };
}

function stopped(state: BreakerState, cluster: string, nowMs: number): CallError {
  const when =
    state.name === 'open'
      ? `for another ${Math.max(1, Math.ceil(state.untilMs - nowMs))} ms`
      : 'until a few that try it have succeeded';
  const message = `calls to ${cluster} are stopped ${when}, since too many failed`;
  return { ...callError(Code.unavailable, message, 'never-sent'), final: true };
}

/** The state of one name. */
class Breaker {
  state: BreakerState = CLOSED;
  usedMs: number;
  /** Counts changes of what calls are let through for, so that late results are known as such. */
  round = 0;
  #policy: BreakerPolicy;
  #window: CallWindow;
  readonly #options: BreakerOptions;

  constructor(options: BreakerOptions, policy: BreakerPolicy, nowMs: number) {
    this.#options = options;
    this.#policy = policy;
    this.usedMs = nowMs;
    this.#window = new CallWindow(policy.windowMs, SLOTS, nowMs);
  }

  /** The numbers of a policy may change while its state goes on. */
  apply(policy: BreakerPolicy, nowMs: number): void {
    if (policy === this.#policy) return;
    this.#policy = policy;
    if (policy.windowMs !== this.#window.windowMs) this.#window = new CallWindow(policy.windowMs, SLOTS, nowMs);
  }

  describe(nowMs: number): string {
    const { state } = this;
    if (state.name === 'half-open')
      return `half-open, ${state.succeeded} of ${this.#policy.probes} probes have succeeded`;
    if (state.name === 'open') return `open for ${Math.max(0, Math.ceil(state.untilMs - nowMs))} ms more`;
    this.#window.turn(nowMs);
    return `closed, ${this.#window.failures} of ${this.#window.calls} calls failed of late`;
  }

  /** A call that was let through while closed has ended. */
  count(isFailure: boolean, nowMs: number): void {
    const window = this.#window;
    const { minCalls, errorPercent } = this.#policy;
    window.add(isFailure, nowMs);
    if (!isFailure || window.calls < minCalls) return;
    if (window.failures * 100 >= errorPercent * window.calls) this.move('trip', nowMs);
  }

  move(event: BreakerEvent, nowMs: number): void {
    const before = this.state.name;
    this.state = nextState(this.state, event, this.#policy, nowMs);
    const { name } = this.state;
    if (name === before) return;
    if (name !== 'half-open') this.round++;
    if (name === 'closed') this.#window.clear();
    this.#options.onChange?.(this.#policy.name, name);
  }
}

class BreakerCall extends JudgedCall {
  readonly #breaker: Breaker;
  readonly #round: number;
  #isProbe: boolean;

  constructor(reply: Reply, call: CallContext, clock: Clock, breaker: Breaker, isProbe: boolean) {
    super(reply, call, clock);
    this.#breaker = breaker;
    this.#round = breaker.round;
    this.#isProbe = isProbe;
  }

  protected judge(verdict: Verdict): void {
    const breaker = this.#breaker;
    // What was let through before it opened, or for an earlier try, says nothing of now.
    if (breaker.round !== this.#round) return;
    const isFailure = verdict === 'bad' || verdict === 'late';
    const nowMs = this.clock.nowMs();
    if (this.#isProbe) {
      this.#isProbe = false;
      const event = verdict === 'nothing' ? 'probe-gone' : isFailure ? 'probe-bad' : 'probe-good';
      breaker.move(event, nowMs);
    } else if (verdict !== 'nothing' && breaker.state.name === 'closed') {
      breaker.count(isFailure, nowMs);
    }
  }
}
