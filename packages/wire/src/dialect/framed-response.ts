import {
  callError,
  Code,
  codeFromHttpStatus,
  getField,
  NO_FIELDS,
  trailersOf,
  type Body,
  type CallContext,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type ResponseHead,
} from '@bascule/core';
import { encodeBase64 } from './base64.ts';
import { CreditGate } from './credit-gate.ts';
import { responseFault, TRUNCATED_RESPONSE } from './faults.ts';
import type { StreamFormat } from './format.ts';
import { FrameScanner } from './frame-scanner.ts';
import { noteRefusal } from './refusal.ts';

/** Lengths above this cannot be told apart from garbage: the length field has 32 bits. */
const NO_LIMIT = Number.POSITIVE_INFINITY;

type Phase = 'waiting' | 'answering' | 'closed';

/**
 * The answer of a dialect whose messages are those of the inner one. Messages pass as they come; what differs is how
 * the head, the trailers and an answer without messages are said.
 */
export class FramedResponse implements Reply {
  private readonly outer: Reply;
  private readonly format: StreamFormat;
  private readonly call: CallContext;
  private readonly gate: CreditGate;
  private readonly scanner = new FrameScanner(NO_LIMIT, true);
  private inner: Body | undefined;
  private phase: Phase = 'waiting';
  /** Inner bytes not granted back yet, because their text has not left. Text mode only. */
  private heldBytes = 0;
  /** Whether what was passed on so far ends inside a message. */
  private insideMessage = false;

  constructor(outer: Reply, format: StreamFormat, call: CallContext) {
    this.outer = outer;
    this.format = format;
    this.call = call;
    this.gate = new CreditGate(outer);
  }

  /** Tells where to cancel and to grant, once the inner service has returned. */
  connect(inner: Body): void {
    this.inner = inner;
  }

  isOpen(): boolean {
    return this.phase !== 'closed';
  }

  head(head: ResponseHead): void {
    if (this.phase !== 'waiting') return;
    if (head.status !== 200) {
      this.refuse(callError(codeFromHttpStatus(head.status), `the service answered with HTTP status ${head.status}`));
      return;
    }
    this.phase = 'answering';
    this.outer.head({ status: 200, fields: this.format.headFields(head.fields) });
  }

  write(bytes: Uint8Array): void {
    if (this.phase === 'closed') return;
    const fault = this.phase === 'waiting' ? 'bad-flags' : this.scanner.scan(bytes);
    if (fault !== undefined) {
      this.refuse(responseFault(fault, NO_LIMIT));
      return;
    }
    this.insideMessage = !this.scanner.isAtBoundary();
    if (this.format.text) {
      this.heldBytes += bytes.length;
      this.gate.write(encodeBase64(bytes), true);
      this.grantHeld();
    } else {
      this.gate.write(bytes);
    }
  }

  end(trailers: Fields): void {
    if (this.phase === 'closed') return;
    const status = getField(trailers, 'grpc-status');
    if (status === '0' && !this.scanner.isAtBoundary()) {
      this.finishWith(TRUNCATED_RESPONSE);
    } else if (status === undefined) {
      this.finishWith(callError(Code.unknown, 'the service ended its answer without a status'));
    } else {
      this.finish(trailers);
    }
  }

  fail(error: CallError): void {
    if (this.phase !== 'closed') this.finish(trailersOf(error));
  }

  /** Room for the request. */
  grant(bytes: number): void {
    if (this.phase !== 'closed') this.outer.grant(bytes);
  }

  /** Room for the answer, granted by the caller. */
  grantReply(bytes: number): void {
    this.gate.grant(bytes);
    if (this.phase === 'closed') return;
    if (this.format.text) this.grantHeld();
    else this.inner?.grant(bytes);
  }

  /** The caller gave up. */
  cancel(reason: Cancel): void {
    this.gate.close();
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.inner?.cancel(reason);
  }

  /** Ends the call because either side broke the protocol. */
  refuse(error: CallError): void {
    if (this.phase === 'closed') return;
    const answered = this.phase === 'answering';
    // Closed first: the callee may answer inside cancel, and that answer is late.
    this.phase = 'closed';
    this.inner?.cancel('protocol-error');
    // Noted first: whoever stands outside reads it at the end.
    noteRefusal(this.call, error);
    this.send(trailersOf(error), answered);
  }

  /** Replaces a status that the answer does not bear out. */
  private finishWith(error: CallError): void {
    noteRefusal(this.call, error);
    this.finish(trailersOf(error));
  }

  private finish(trailers: Fields): void {
    const answered = this.phase === 'answering';
    this.phase = 'closed';
    this.send(trailers, answered);
  }

  private send(trailers: Fields, answered: boolean): void {
    if (!answered) {
      const { status, fields, bytes } = this.format.standAlone(trailers);
      this.outer.head({ status, fields });
      if (bytes !== undefined) this.gate.write(bytes, true);
      this.gate.end(NO_FIELDS);
      return;
    }
    const last = this.format.lastBytes(trailers);
    if (last !== undefined && this.insideMessage) {
      // A last frame here would be read as the rest of the message. Stopping short is what tells the caller.
      this.gate.end(NO_FIELDS);
      return;
    }
    if (last !== undefined) this.gate.write(last, true);
    this.gate.end(last === undefined ? trailers : NO_FIELDS);
  }

  private grantHeld(): void {
    if (this.heldBytes === 0 || !this.gate.isEmpty()) return;
    const bytes = this.heldBytes;
    this.heldBytes = 0;
    this.inner?.grant(bytes);
  }
}
