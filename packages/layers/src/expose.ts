import {
  encodeMessage,
  type CallContext,
  type CallError,
  type Fields,
  type Layer,
  type Reply,
  type ResponseHead,
} from '@bascule/core';

/**
 * Tells the caller who answered, in fields of the response head or, for Trailers-Only, of the trailers:
 * `bascule-endpoint` (instance id), `bascule-version` (of the handler module), `bascule-attempts`, `bascule-call-id`.
 * Off unless wanted: it shows outsiders how many instances there are. Stands outside of retry, inside the dialect.
 */
export function createExposeLayer(): Layer {
  return (next) => (head, reply) => next(head, new ExposingReply(head.call, reply));
}

class ExposingReply implements Reply {
  readonly #call: CallContext;
  readonly #reply: Reply;
  #exposed: 'not yet' | 'in head' = 'not yet';

  constructor(call: CallContext, reply: Reply) {
    this.#call = call;
    this.#reply = reply;
  }

  head(head: ResponseHead): void {
    this.#exposed = 'in head';
    this.#reply.head({ status: head.status, fields: [...head.fields, ...fieldsOf(this.#call)] });
  }

  write(bytes: Uint8Array): void {
    this.#reply.write(bytes);
  }

  end(trailers: Fields): void {
    this.#reply.end(this.#exposed === 'in head' ? trailers : [...trailers, ...fieldsOf(this.#call)]);
  }

  fail(error: CallError): void {
    this.#reply.fail(error);
  }

  grant(bytes: number): void {
    this.#reply.grant(bytes);
  }
}

/** Instance ids and versions are what registrations say, so they may hold what no field value may. */
function fieldsOf(call: CallContext): string[] {
  const fields = ['bascule-attempts', String(call.attempts), 'bascule-call-id', encodeMessage(call.id)];
  if (call.endpoint === undefined) return fields;
  fields.push('bascule-endpoint', encodeMessage(call.endpoint.instanceId));
  const { moduleVersion } = call.endpoint;
  if (moduleVersion !== '') fields.push('bascule-version', encodeMessage(moduleVersion));
  return fields;
}
