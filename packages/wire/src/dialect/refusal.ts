import { trailersOf, type Body, type CallContext, type CallError, type Reply } from '@bascule/core';
import type { Format, StandAlone } from './format.ts';

/** A call answered without a callee. Bytes that come meanwhile are dropped. */
class RefusedCall implements Body {
  private state: 'owing' | 'over' = 'owing';
  private readonly reply: Reply;
  private readonly answer: StandAlone;

  constructor(reply: Reply, answer: StandAlone) {
    this.reply = reply;
    this.answer = answer;
    // Not at once: a Service calls its Reply only after it has returned.
    queueMicrotask(() => this.send());
  }

  write(): void {}
  end(): void {}
  grant(): void {}

  cancel(): void {
    this.state = 'over';
  }

  private send(): void {
    if (this.state === 'over') return;
    const { status, fields, bytes } = this.answer;
    this.reply.head({ status, fields });
    if (this.isOver()) return;
    if (bytes !== undefined) this.reply.write(bytes);
    if (this.isOver()) return;
    this.state = 'over';
    this.reply.end([]);
  }

  /** A caller may cancel inside `head` or `write`. */
  private isOver(): boolean {
    return this.state === 'over';
  }
}

/** Answers on a later turn. `answer.bytes` must fit into the initial credit. */
export function answerLater(reply: Reply, answer: StandAlone): Body {
  return new RefusedCall(reply, answer);
}

/** Refuses a call in its dialect; `http` overrides the status line where the dialect has one of its own for it. */
export function refuse(
  reply: Reply,
  call: CallContext,
  format: Format,
  error: CallError,
  http?: { status: number; fields: readonly string[] },
): Body {
  noteRefusal(call, error);
  const answer = format.standAlone(trailersOf(error));
  if (http === undefined) return answerLater(reply, answer);
  return answerLater(reply, { ...answer, status: http.status, fields: [...answer.fields, ...http.fields] });
}

/** Says how a call ended that the dialect layer ended itself, for the log and the metrics. */
export function noteRefusal(call: CallContext, error: CallError): void {
  call.outcome = { code: error.code, by: 'wire', message: error.message };
}
