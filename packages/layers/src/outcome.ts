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
import { Passage } from './passage.ts';

/**
 * Notes in `call.outcome` how the RPC went. Stands right inside the dialect, which is the outermost place where a status
 * can be read without knowing the caller's dialect.
 */
export function createOutcomeLayer(): Layer {
  return (next) => (head, reply) => {
    const call = new OutcomeCall(reply, head.call);
    return call.begin(next(head, call));
  };
}

class OutcomeCall extends Passage {
  readonly #call: CallContext;
  #head: ResponseHead | undefined = undefined;

  constructor(reply: Reply, call: CallContext) {
    super(reply);
    this.#call = call;
  }

  override head(head: ResponseHead): void {
    this.#head = head;
    super.head(head);
  }

  override end(trailers: Fields): void {
    // The first word counts: a dialect that has refused the call meanwhile must not be corrected by a late end.
    if (this.body !== undefined) this.#call.outcome ??= outcomeOfEnd(this.#head, trailers);
    super.end(trailers);
  }

  override fail(error: CallError): void {
    if (this.body !== undefined) this.#call.outcome ??= outcomeOfFail(error);
    super.fail(error);
  }
}
