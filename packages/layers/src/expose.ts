import { encodeMessage, type CallContext, type Fields, type Layer, type Reply, type ResponseHead } from '@bascule/core';
import { Passage } from './passage.ts';

/**
 * Tells the caller who answered, in fields of the response head or, for Trailers-Only, of the trailers:
 * `bascule-endpoint` (instance id), `bascule-version` (of the handler module), `bascule-attempts`, `bascule-call-id`.
 * Off unless wanted: it shows outsiders how many instances there are. Stands outside of retry, inside the dialect.
 */
export function createExposeLayer(): Layer {
  return (next) => (head, reply) => {
    const call = new ExposedCall(reply, head.call);
    return call.begin(next(head, call));
  };
}

class ExposedCall extends Passage {
  readonly #call: CallContext;
  #exposed: 'not yet' | 'in head' = 'not yet';

  constructor(reply: Reply, call: CallContext) {
    super(reply);
    this.#call = call;
  }

  override head(head: ResponseHead): void {
    this.#exposed = 'in head';
    super.head({ status: head.status, fields: [...head.fields, ...fieldsOf(this.#call)] });
  }

  override end(trailers: Fields): void {
    super.end(this.#exposed === 'in head' ? trailers : [...trailers, ...fieldsOf(this.#call)]);
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
