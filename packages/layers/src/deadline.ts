import {
  callError,
  Code,
  type Body,
  type CallError,
  type Clock,
  type Layer,
  type Reply,
  type RequestHead,
  type Timer,
} from '@bascule/core';
import { Passage } from './passage.ts';
import { refuseCall } from './refusal.ts';

export interface Timeouts {
  /** Time for a call whose caller states none, in ms; undefined is without end. Give it to unary calls only. */
  readonly defaultMs: number | undefined;
  /** Longest time a caller may ask for, in ms; undefined is no bound. A call without deadline stays without. */
  readonly maxMs: number | undefined;
}

export interface DeadlineOptions {
  readonly clock: Clock;
  timeoutsOf(head: RequestHead): Timeouts;
}

/**
 * Ends calls whose time is over: `deadline` inward, `deadline_exceeded` outward. Sets `call.deadlineMs` from the caller's
 * wish, the default and the bound. It spans all attempts, so it stands outside of retry.
 */
export function createDeadlineLayer(options: DeadlineOptions): Layer {
  const { clock } = options;
  return (next) => (head, reply) => {
    const nowMs = clock.nowMs();
    const deadlineMs = clampDeadline(head.call.deadlineMs, options.timeoutsOf(head), nowMs);
    head.call.deadlineMs = deadlineMs;
    if (deadlineMs === undefined) return next(head, reply);
    if (deadlineMs <= nowMs) {
      return refuseCall(reply, callError(Code.deadlineExceeded, 'the deadline was over on arrival', 'never-sent'));
    }
    const timed = new TimedCall(reply, clock, deadlineMs);
    return timed.begin(next(head, timed));
  };
}

function clampDeadline(askedMs: number | undefined, timeouts: Timeouts, nowMs: number): number | undefined {
  const { defaultMs, maxMs } = timeouts;
  const wishMs = askedMs ?? (defaultMs === undefined ? undefined : nowMs + defaultMs);
  return wishMs === undefined || maxMs === undefined ? wishMs : Math.min(wishMs, nowMs + maxMs);
}

function exceeded(timeoutMs: number): CallError {
  return callError(Code.deadlineExceeded, `the deadline of ${Math.max(0, Math.round(timeoutMs))} ms is over`);
}

class TimedCall extends Passage {
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  readonly #timeoutMs: number;
  #timer: Timer | undefined = undefined;

  constructor(reply: Reply, clock: Clock, deadlineMs: number) {
    super(reply);
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
    // A timer rounds down to whole milliseconds; a call must not end before its time.
    this.#timeoutMs = Math.ceil(deadlineMs - clock.nowMs());
  }

  override begin(body: Body): Body {
    this.#timer = this.#clock.after(this.#timeoutMs, () => this.#expire());
    return super.begin(body);
  }

  override fail(error: CallError): void {
    // A callee that watches the same deadline may reset the call a moment before our timer runs.
    const late = error.code === Code.canceled && this.#clock.nowMs() >= this.#deadlineMs;
    super.fail(late ? exceeded(this.#timeoutMs) : error);
  }

  protected override release(): void {
    this.#timer?.cancel();
  }

  #expire(): void {
    const body = this.over();
    if (body === undefined) return;
    body.cancel('deadline');
    this.reply.fail(exceeded(this.#timeoutMs));
  }
}
