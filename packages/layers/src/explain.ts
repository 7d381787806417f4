import {
  getField,
  outcomeOfFail,
  trailersOf,
  withoutFields,
  type CallContext,
  type CallError,
  type Clock,
  type Explanation,
  type Fields,
  type Layer,
  type Reply,
  type RequestHead,
} from '@bascule/core';
import { encodeExplanation } from './explain-text.ts';
import { Passage } from './passage.ts';

export interface ExplainOptions {
  readonly clock: Clock;
  /** Whether this caller may know where calls go. Asked only for calls that want to. */
  allowed(head: RequestHead): 'no' | 'yes';
}

const FIELD = 'bascule-explain';
/** With what may prove that the caller is allowed to. */
const FIELDS: ReadonlySet<string> = new Set([FIELD, 'bascule-explain-token']);

/**
 * Answers calls that ask why they went where they went: a request field `bascule-explain` of `1`, or of `dry-run` for a
 * call that is not made. The answer's trailers carry a field of the same name, so that every attempt is in it; a failure
 * of our own becomes trailers with its status for that. The field goes no further, and who may not ask hears nothing of
 * it. Stands inside the outcome layer and outside of whatever writes notes.
 */
export function createExplainLayer(options: ExplainOptions): Layer {
  return (next) => (head, reply) => {
    const asked = getField(head.fields, FIELD);
    if (asked === undefined) return next(head, reply);
    const { method, path, authority, scheme, call } = head;
    const bare = { method, path, authority, scheme, call, fields: withoutFields(head.fields, FIELDS) };
    const isKnown = asked === '1' || asked === 'dry-run';
    if (!isKnown || options.allowed(head) !== 'yes') return next(bare, reply);
    const explanation: Explanation = { dryRun: asked === 'dry-run', notes: [], attempts: [] };
    call.explanation = explanation;
    const explained = new ExplainedCall(reply, { call, explanation, clock: options.clock });
    return explained.begin(next(bare, explained));
  };
}

interface Explained {
  readonly call: CallContext;
  readonly explanation: Explanation;
  readonly clock: Clock;
}

class ExplainedCall extends Passage {
  readonly #explained: Explained;

  constructor(reply: Reply, explained: Explained) {
    super(reply);
    this.#explained = explained;
  }

  override end(trailers: Fields): void {
    if (this.over() !== undefined) this.reply.end([...trailers, ...this.#say()]);
  }

  override fail(error: CallError): void {
    if (this.over() === undefined) return;
    // Trailers look like the callee's own word; what the call came to is noted before they do.
    this.#explained.call.outcome ??= outcomeOfFail(error);
    this.reply.end([...trailersOf(error), ...this.#say()]);
  }

  #say(): string[] {
    const { call, explanation, clock } = this.#explained;
    explanation.notes.push(`ended after ${Math.round((clock.nowMs() - call.startedMs) * 1000) / 1000} ms`);
    return [FIELD, encodeExplanation(explanation)];
  }
}
