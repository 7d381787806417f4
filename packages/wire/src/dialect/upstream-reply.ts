import {
  callError,
  Code,
  getField,
  withField,
  type Body,
  type CallError,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { TRUNCATED_RESPONSE } from './faults.ts';
import { HOP_FIELDS } from '../hop-fields.ts';
import { STATUS_FIELDS } from './status-fields.ts';
import { isAccepted, isEncoded, unpackStatus } from './upstream-encodings.ts';
import { codecOf, faultOfContentType, faultOfStatus, type AnswerFormat } from './upstream-format.ts';
import { AnswerScanner, type AnswerFault } from './upstream-scanner.ts';

type Phase =
  | { readonly type: 'waiting' }
  /** The head holds a status: with an end it is Trailers-Only, with bytes it is a head. */
  | { readonly type: 'held'; readonly head: ResponseHead }
  | { readonly type: 'answering' }
  | { readonly type: 'over' };

const WAITING: Phase = { type: 'waiting' };
const ANSWERING: Phase = { type: 'answering' };
const OVER: Phase = { type: 'over' };

const NO_STATUS = callError(Code.unknown, 'the service ended its answer without a status');
const NO_MESSAGE = callError(Code.unimplemented, 'the service answered a call of one message without a message');
const BROKEN_END = callError(Code.internal, 'the service ended its answer with a status that cannot be read');

/** What a caller is told of an answer whose frames are wrong. */
const FAULTS: Readonly<Record<AnswerFault, CallError>> = {
  'bad-flags': callError(Code.internal, 'the service answered with bytes that are no message'),
  'not-compressible': callError(
    Code.internal,
    'the service compressed a message in an encoding that was not agreed on',
  ),
  many: callError(Code.unimplemented, 'the service answered a call of one message with more than one'),
  'after-end': callError(Code.internal, 'the service went on after the end of its answer'),
  'end-too-large': callError(Code.resourceExhausted, 'the status and trailers of the service are too large'),
};

/**
 * Turns what a backend answers over HTTP into the inner dialect, for dialects whose messages are those of the inner
 * one: pages of a proxy, heads and frames that hold the status, and answers that stop short become statuses.
 */
export class UpstreamReply implements Reply {
  private readonly outer: Reply;
  private readonly format: AnswerFormat;
  private readonly request: RequestHead;
  private scanner: AnswerScanner | undefined;
  private encoding: string | undefined;
  private phase: Phase = WAITING;
  private body: Body | undefined;

  constructor(outer: Reply, format: AnswerFormat, request: RequestHead) {
    this.outer = outer;
    this.format = format;
    this.request = request;
  }

  connect(body: Body): void {
    this.body = body;
  }

  head(head: ResponseHead): void {
    if (this.phase.type !== 'waiting') return;
    if (this.format.trailersOnly && getField(head.fields, 'grpc-status') !== undefined) {
      this.phase = { type: 'held', head };
      return;
    }
    this.start(head);
  }

  write(bytes: Uint8Array): void {
    if (this.phase.type === 'held') this.start(withoutStatus(this.phase.head));
    if (this.phase.type === 'over') return;
    const { scanner } = this;
    if (scanner === undefined) return this.refuse(FAULTS['bad-flags']);
    const fault = scanner.scan(bytes);
    const { passed } = scanner;
    if (passed === bytes.length) this.outer.write(bytes);
    else this.writePart(bytes, passed);
    if (fault !== undefined && !this.isOver()) this.refuse(FAULTS[fault]);
  }

  end(trailers: Fields): void {
    const { phase } = this;
    if (phase.type === 'over') return;
    const isAnswering = phase.type === 'answering';
    if (this.format.endFlag !== 0 && isAnswering) return this.endByFrame();
    const hasStatus = getField(trailers, 'grpc-status') !== undefined;
    if (phase.type !== 'held') return this.finish(this.format.trailersOnly || isAnswering ? trailers : []);
    // Where a frame says the status, HTTP trailers do not overrule a head.
    if (!hasStatus || this.format.endFlag !== 0) return this.finish(toTrailers(phase.head.fields));
    this.start(withoutStatus(phase.head));
    if (!this.isOver()) this.finish(trailers);
  }

  fail(error: CallError): void {
    if (this.phase.type === 'over') return;
    // The answer was whole: what the connection came to afterwards does not change it.
    if (this.scanner?.isEnded() === true) return this.endByFrame();
    this.phase = OVER;
    this.outer.fail(error);
  }

  grant(bytes: number): void {
    if (this.phase.type !== 'over') this.outer.grant(bytes);
  }

  /** Hands a head on, or says why it is none. */
  private start(head: ResponseHead): void {
    const { format, request } = this;
    const innerType = getField(request.fields, 'content-type') ?? '';
    const contentType = getField(head.fields, 'content-type');
    // Most callees say what they were asked in.
    const isAsAsked = contentType === innerType && format.endFlag === 0;
    const fault =
      faultOfStatus(head) ?? (isAsAsked ? undefined : faultOfContentType(contentType, format, codecOf(innerType)));
    if (fault !== undefined) return this.refuse(fault);
    this.phase = ANSWERING;
    this.encoding = getField(head.fields, format.encodingField);
    const kind = request.call.method?.kind;
    this.scanner = new AnswerScanner({
      compressible: isEncoded(this.encoding) && isAccepted(this.encoding, request.fields),
      endFlag: format.endFlag,
      maxMessages: kind === 'unary' || kind === 'client_stream' ? 1 : Number.POSITIVE_INFINITY,
    });
    const fields = format.toInnerFields(head.fields, innerType);
    this.outer.head(fields === head.fields ? head : { status: 200, fields });
  }

  /** What is not passed on uses no credit of the caller, so nobody else would give it back. */
  private writePart(bytes: Uint8Array, passed: number): void {
    if (passed > 0) this.outer.write(bytes.subarray(0, passed));
    if (!this.isOver()) this.body?.grant(bytes.length - passed);
  }

  private endByFrame(): void {
    const { scanner } = this;
    if (scanner === undefined || !scanner.isAtBoundary()) return this.failWith(TRUNCATED_RESPONSE);
    if (!scanner.isEnded()) return this.failWith(NO_STATUS);
    const { bytes, compressed } = scanner.takeEndFrame();
    const plain = compressed && bytes.length > 0 ? unpackStatus(bytes, this.encoding ?? '') : bytes;
    const trailers = plain === undefined ? undefined : this.format.readEnd(plain);
    if (trailers === undefined) this.failWith(BROKEN_END);
    else this.finish(trailers);
  }

  private finish(trailers: Fields): void {
    const status = getField(trailers, 'grpc-status');
    if (status === undefined) return this.failWith(NO_STATUS);
    const fault = hasTwoStatuses(trailers) ? BROKEN_END : status === '0' ? this.faultOfSuccess() : undefined;
    if (fault !== undefined) return this.failWith(fault);
    this.phase = OVER;
    // Callers read "", "00" or "0x0" as the number 0 (grpc-js does), and would take it for a success.
    this.outer.end(isStatus(status) ? trailers : withField(trailers, 'grpc-status', String(Code.unknown)));
  }

  /** Why an answer that claims success is none. */
  private faultOfSuccess(): CallError | undefined {
    if (this.scanner?.isAtBoundary() === false) return TRUNCATED_RESPONSE;
    const kind = this.request.call.method?.kind;
    const owesMessage = kind === 'unary' || kind === 'client_stream';
    return owesMessage && (this.scanner?.messages ?? 0) === 0 ? NO_MESSAGE : undefined;
  }

  private failWith(error: CallError): void {
    this.phase = OVER;
    this.outer.fail(error);
  }

  private refuse(error: CallError): void {
    this.phase = OVER;
    this.body?.cancel('protocol-error');
    this.outer.fail(error);
  }

  private isOver(): boolean {
    return this.phase.type === 'over';
  }
}

/** Some callers read the first of two, some the last: one would see a success where another sees an error. */
function hasTwoStatuses(trailers: Fields): boolean {
  let count = 0;
  for (let i = 0; i < trailers.length; i += 2) if (trailers[i] === 'grpc-status') count += 1;
  return count > 1;
}

/** Whether a status is a number that all read alike, be it a known one or not. */
function isStatus(value: string): boolean {
  return value === '0' || /^[1-9]\d{0,2}$/.test(value);
}

/** A head whose status was premature goes on without it; what ends the answer decides. */
function withoutStatus(head: ResponseHead): ResponseHead {
  const fields = head.fields.flatMap((name, i) =>
    i % 2 === 0 && !STATUS_FIELDS.has(name) ? [name, head.fields[i + 1] as string] : [],
  );
  return { status: head.status, fields };
}

/** Trailers from a head that was the whole answer. */
function toTrailers(fields: Fields): string[] {
  const trailers: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name !== 'content-type' && !HOP_FIELDS.has(name)) trailers.push(name, fields[i + 1] as string);
  }
  return trailers;
}
