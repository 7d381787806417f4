import {
  callError,
  Code,
  type Body,
  type CallError,
  type Cancel,
  type Clock,
  type Fields,
  type Layer,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Timer,
} from '@bascule/core';
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
    // A timer rounds down to whole milliseconds; a call must not end before its time.
    timed.start(next(head, timed), Math.ceil(deadlineMs - nowMs));
    return new TimedBody(timed);
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

/** The reply side, which owns the timer. */
class TimedCall implements Reply {
  body: Body | undefined = undefined;
  readonly #reply: Reply;
  readonly #clock: Clock;
  readonly #deadlineMs: number;
  #timer: Timer | undefined = undefined;
  #timeoutMs = 0;

  constructor(reply: Reply, clock: Clock, deadlineMs: number) {
    this.#reply = reply;
    this.#clock = clock;
    this.#deadlineMs = deadlineMs;
  }

  start(body: Body, timeoutMs: number): void {
    this.body = body;
    this.#timeoutMs = timeoutMs;
    this.#timer = this.#clock.after(timeoutMs, () => this.#expire());
  }

  /** Takes the body out: the call is over for this layer, whoever said so. */
  over(): Body | undefined {
    const body = this.body;
    this.body = undefined;
    this.#timer?.cancel();
    return body;
  }

  head(head: ResponseHead): void {
    if (this.body !== undefined) this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.body !== undefined) this.#reply.write(bytes);
  }

  end(trailers: Fields): void {
    if (this.over() !== undefined) this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    if (this.over() === undefined) return;
    // A callee that watches the same deadline may reset the call a moment before our timer runs.
    const late = error.code === Code.canceled && this.#clock.nowMs() >= this.#deadlineMs;
    this.#reply.fail(late ? exceeded(this.#timeoutMs) : error);
  }

  grant(bytes: number): void {
    if (this.body !== undefined) this.#reply.grant(bytes);
  }

  #expire(): void {
    const body = this.over();
    if (body === undefined) return;
    body.cancel('deadline');
    this.#reply.fail(exceeded(this.#timeoutMs));
  }
}

class TimedBody implements Body {
  readonly #call: TimedCall;

  constructor(call: TimedCall) {
    this.#call = call;
  }

  write(bytes: Uint8Array): void {
    this.#call.body?.write(bytes);
  }

  end(): void {
    this.#call.body?.end();
  }

  cancel(reason: Cancel): void {
    this.#call.over()?.cancel(reason);
  }

  grant(bytes: number): void {
    this.#call.body?.grant(bytes);
  }
}
