import {
  outcomeOfEnd,
  outcomeOfFail,
  type CallContext,
  type CallError,
  type Fields,
  type Layer,
  type Reply,
  type ResponseHead,
} from '@bascule/core';

/**
 * Notes in `call.outcome` how the RPC went. Stands right inside the dialect, which is the outermost place where a status
 * can be read without knowing the caller's dialect.
 */
export function createOutcomeLayer(): Layer {
  return (next) => (head, reply) => next(head, new OutcomeReply(head.call, reply));
}

class OutcomeReply implements Reply {
  readonly #call: CallContext;
  readonly #reply: Reply;
  #head: ResponseHead | undefined = undefined;

  constructor(call: CallContext, reply: Reply) {
    this.#call = call;
    this.#reply = reply;
  }

  head(head: ResponseHead): void {
    this.#head = head;
    this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    this.#reply.write(bytes);
  }

  end(trailers: Fields): void {
    // The first word counts: a dialect that has refused the call meanwhile must not be corrected by a late end.
    this.#call.outcome ??= outcomeOfEnd(this.#head, trailers);
    this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    this.#call.outcome ??= outcomeOfFail(error);
    this.#reply.fail(error);
  }

  grant(bytes: number): void {
    this.#reply.grant(bytes);
  }
}
