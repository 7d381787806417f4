import {
  CANCELED_OUTCOME,
  Code,
  type Body,
  type CallError,
  type Cancel,
  type Clock,
  type Fields,
  type Layer,
  type Outcome,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { createCallRecord, type CallRecord } from './call-record.ts';

/** Who is told of calls. Must not throw, and must be quick: it runs for each call. */
export interface Observer {
  /** Returns a ticket, by which an observer finds again what it noted of the call. */
  started(head: RequestHead): number;
  /** Exactly once for each `started`, whatever happened. */
  ended(record: CallRecord, head: RequestHead, ticket: number): void;
}

export interface ObserveOptions {
  readonly clock: Clock;
  readonly observer: Observer;
}

/**
 * Tells an observer of each call, RPC or not. Stands outermost, so that it also sees what the dialect refused. It sees
 * only HTTP there; how the RPC went is read from `call.outcome`, see {@link createOutcomeLayer}.
 */
export function createObserveLayer(options: ObserveOptions): Layer {
  return (next) => (head, reply) => {
    const observed = new ObservedReply(head, reply, options);
    return new ObservedBody(observed, next(head, observed));
  };
}

const SHUTDOWN_OUTCOME: Outcome = { code: Code.unavailable, by: 'wire', message: 'cut by shutdown' };

class ObservedReply implements Reply {
  state: 'open' | 'over' = 'open';
  requestBytes = 0;
  readonly #head: RequestHead;
  readonly #reply: Reply;
  readonly #options: ObserveOptions;
  readonly #ticket: number;
  #httpStatus = 0;
  #responseBytes = 0;

  constructor(head: RequestHead, reply: Reply, options: ObserveOptions) {
    this.#head = head;
    this.#reply = reply;
    this.#options = options;
    this.#ticket = options.observer.started(head);
  }

  head(head: ResponseHead): void {
    if (this.state === 'over') return;
    this.#httpStatus = head.status;
    this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.state === 'over') return;
    this.#responseBytes += bytes.length;
    this.#reply.write(bytes);
  }

  end(trailers: Fields): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.#reply.end(trailers);
    this.record(undefined);
  }

  fail(error: CallError): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.#reply.fail(error);
    this.record(this.#head.call.outcome ?? { code: error.code, by: 'wire', message: error.message });
  }

  grant(bytes: number): void {
    if (this.state === 'open') this.#reply.grant(bytes);
  }

  record(outcome: Outcome | undefined): void {
    const { clock, observer } = this.#options;
    const record = createCallRecord(this.#head, {
      endedMs: clock.nowMs(),
      endedWallMs: clock.wallMs(),
      httpStatus: this.#httpStatus,
      requestBytes: this.requestBytes,
      responseBytes: this.#responseBytes,
      outcome,
    });
    observer.ended(record, this.#head, this.#ticket);
  }
}

class ObservedBody implements Body {
  readonly #observed: ObservedReply;
  readonly #body: Body;

  constructor(observed: ObservedReply, body: Body) {
    this.#observed = observed;
    this.#body = body;
  }

  write(bytes: Uint8Array): void {
    if (this.#observed.state === 'over') return;
    this.#observed.requestBytes += bytes.length;
    this.#body.write(bytes);
  }

  end(): void {
    if (this.#observed.state === 'open') this.#body.end();
  }

  cancel(reason: Cancel): void {
    if (this.#observed.state === 'over') return;
    this.#observed.state = 'over';
    this.#body.cancel(reason);
    // Whatever the callee said meanwhile, this caller did not get it.
    this.#observed.record(reason === 'shutdown' ? SHUTDOWN_OUTCOME : CANCELED_OUTCOME);
  }

  grant(bytes: number): void {
    if (this.#observed.state === 'open') this.#body.grant(bytes);
  }
}
