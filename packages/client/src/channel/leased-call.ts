import {
  CANCELED_OUTCOME,
  outcomeOfEnd,
  outcomeOfFail,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Lease,
  type Outcome,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';

/** Runs a call on a lent endpoint and gives the lease back exactly once, however the call ends. */
export function runLeased(lease: Lease, head: RequestHead, reply: Reply): Body {
  const call = new LeasedReply(lease, reply);
  const body = lease.service(head, call);
  return new LeasedBody(call, body);
}

class LeasedReply implements Reply {
  over = false;
  #head: ResponseHead | undefined;
  readonly #lease: Lease;
  readonly #reply: Reply;

  constructor(lease: Lease, reply: Reply) {
    this.#lease = lease;
    this.#reply = reply;
  }

  /** True for whoever ends the call first. */
  finish(outcome: Outcome): boolean {
    if (this.over) return false;
    this.over = true;
    this.#lease.release(outcome);
    return true;
  }

  head(head: ResponseHead): void {
    if (this.over) return;
    this.#head = head;
    this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (!this.over) this.#reply.write(bytes);
  }

  grant(bytes: number): void {
    if (!this.over) this.#reply.grant(bytes);
  }

  end(trailers: Fields): void {
    if (this.finish(outcomeOfEnd(this.#head, trailers))) this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    if (this.finish(outcomeOfFail(error))) this.#reply.fail(error);
  }
}

class LeasedBody implements Body {
  readonly #call: LeasedReply;
  readonly #body: Body;

  constructor(call: LeasedReply, body: Body) {
    this.#call = call;
    this.#body = body;
  }

  write(bytes: Uint8Array): void {
    if (!this.#call.over) this.#body.write(bytes);
  }

  end(): void {
    if (!this.#call.over) this.#body.end();
  }

  grant(bytes: number): void {
    if (!this.#call.over) this.#body.grant(bytes);
  }

  cancel(reason: Cancel): void {
    if (this.#call.finish(CANCELED_OUTCOME)) this.#body.cancel(reason);
  }
}
