import {
  callError,
  Code,
  type Body,
  type CallContext,
  type CallError,
  type Clock,
  type Layer,
  type Reply,
} from '@bascule/core';
import { isKnownUnary } from './call-kind.ts';
import { Passage } from './passage.ts';
import { refuseCall } from './refusal.ts';
import { SharedTimers, type Expiring } from './shared-timers.ts';

export interface Timeouts {
  /** Time for a unary call whose caller states none, in ms; 0 is without end. */
  readonly defaultTimeoutMs: number;
  /** Longest time a caller may ask for, in ms; 0 is no bound. A call without deadline stays without. */
  readonly maxTimeoutMs: number;
}

export interface DeadlineOptions {
  readonly clock: Clock;
  /** Where neither the call's policy nor its method says more. */
  readonly defaults: Timeouts;
  /** The callee ends calls in time by itself: the deadline is only set. Default false. */
  readonly isKeptInside?: boolean;
}

/**
 * Ends calls whose time is over: `deadline` inward, `deadline_exceeded` outward. Sets `call.deadlineMs` from the caller's
 * wish, the bound, and what holds without a wish: the policy's word, the method's, or the default, in this order. It spans
 * all attempts, so it stands outside of retry. What is left of it goes to the next hop (`createTimeoutFieldLayer`).
 */
export function createDeadlineLayer(options: DeadlineOptions): Layer {
  const { clock, defaults, isKeptInside = false } = options;
  const timers = new SharedTimers(clock);
  return (next) => (head, reply) => {
    const nowMs = clock.nowMs();
    const deadlineMs = deadlineOf(head.call, defaults, nowMs);
    head.call.deadlineMs = deadlineMs;
    if (deadlineMs === undefined) return next(head, reply);
    if (deadlineMs <= nowMs) {
      return refuseCall(reply, callError(Code.deadlineExceeded, 'the deadline was over on arrival', 'never-sent'));
    }
    if (isKeptInside) return next(head, reply);
    const timed = new TimedCall(reply, clock, timers, deadlineMs, nowMs);
    return timed.begin(next(head, timed));
  };
}

function deadlineOf(call: CallContext, defaults: Timeouts, nowMs: number): number | undefined {
  const { deadlineMs, policy } = call;
  const { maxTimeoutMs = defaults.maxTimeoutMs } = policy;
  const wishMs = deadlineMs ?? nowMs + (defaultTimeoutMs(call, defaults) || Infinity);
  if (wishMs === Infinity) return undefined;
  return maxTimeoutMs > 0 ? Math.min(wishMs, nowMs + maxTimeoutMs) : wishMs;
}

/** Streams may go on for as long as they like, unless their policy or the method itself says otherwise. 0 is without end. */
function defaultTimeoutMs(call: CallContext, defaults: Timeouts): number {
  const { policy, method } = call;
  const ruledMs = method?.rules?.timeoutMs;
  if (!isKnownUnary(call)) return policy.defaultStreamTimeoutMs ?? ruledMs ?? 0;
  return policy.defaultTimeoutMs ?? ruledMs ?? defaults.defaultTimeoutMs;
}

function exceeded(timeoutMs: number): CallError {
  return callError(Code.deadlineExceeded, `the deadline of ${Math.max(0, Math.round(timeoutMs))} ms is over`);
}

class TimedCall extends Passage implements Expiring {
  readonly dueMs: number;
  queue: Expiring['queue'] = undefined;
  earlier: Expiring | undefined = undefined;
  later: Expiring | undefined = undefined;
  readonly #clock: Clock;
  readonly #timers: SharedTimers;
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;

  constructor(reply: Reply, clock: Clock, timers: SharedTimers, deadlineMs: number, nowMs: number) {
    super(reply);
    this.#clock = clock;
    this.#timers = timers;
    this.#deadlineMs = deadlineMs;
    // In whole milliseconds, as timers are; a call must not end before its time.
    this.#timeoutMs = Math.ceil(deadlineMs - nowMs);
    this.dueMs = nowMs + this.#timeoutMs;
  }

  override begin(body: Body): Body {
    this.#timers.add(this, this.#timeoutMs);
    return super.begin(body);
  }

  override fail(error: CallError): void {
    // A callee that watches the same deadline may reset the call a moment before our timer runs.
    const late = error.code === Code.canceled && this.#clock.nowMs() >= this.#deadlineMs;
    super.fail(late ? exceeded(this.#timeoutMs) : error);
  }

  expire(): void {
    const body = this.over();
    if (body === undefined) return;
    body.cancel('deadline');
    this.reply.fail(exceeded(this.#timeoutMs));
  }

  protected override release(): void {
    this.#timers.remove(this);
  }
}
