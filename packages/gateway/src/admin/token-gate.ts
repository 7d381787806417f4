import { callError, Code, getField, type Clock, type Layer } from '@bascule/core';
import { createTokenJudge } from '@bascule/kit';
import { refuseCall } from '@bascule/layers';
import { createDialectLayer } from '@bascule/wire';
import { answerText } from './text-answer.ts';

/** What a caller without a token may announce before it hears that it needs one: that of any other call. */
const MAX_MESSAGE_BYTES = 4 * 1_048_576;

/**
 * Lets calls with the token pass, and answers all others in their dialect without reading what they send. Behind it
 * handlers judge the token only once they have taken in and decoded a whole message, which strangers must not cost.
 */
export function createTokenGate(token: string, clock: Clock): Layer {
  const judge = createTokenJudge(token);
  const dialect = createDialectLayer({
    clock,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    other: (_head, reply) => answerText(reply, { status: 404, text: 'not found\n' }),
    // Lets a GET be refused for its missing token, not for being a GET.
    allowGet: () => true,
  });
  return (next) => (head, reply) => {
    const fault = judge(getField(head.fields, 'authorization') ?? '');
    if (fault === undefined) return next(head, reply);
    return dialect((_head, inner) => refuseCall(inner, callError(Code.unauthenticated, fault, 'never-sent')))(
      head,
      reply,
    );
  };
}
