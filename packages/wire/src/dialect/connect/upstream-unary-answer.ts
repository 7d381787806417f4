import {
  callError,
  Code,
  codeFromHttpStatus,
  getField,
  KeptBytes,
  type Body,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { CreditGate } from '../credit-gate.ts';
import { responseFault } from '../faults.ts';
import { encodePrefix, FLAG_COMPRESSED } from '../frame-scanner.ts';
import { HOP_FIELDS } from '../../hop-fields.ts';
import { isAccepted, isEncoded, unpackStatus } from '../upstream-encodings.ts';
import { codecOf, mediaTypeOf } from '../upstream-format.ts';
import { MAX_STATUS_BYTES } from '../upstream-scanner.ts';
import { isTrailerName, parseJson, toErrorTrailers } from './upstream-error.ts';

const TRAILER_PREFIX = 'trailer-';
const REPRESENTATION: ReadonlySet<string> = new Set([
  ...HOP_FIELDS,
  'content-type',
  'content-encoding',
  'accept-encoding',
]);

type Phase =
  | { readonly type: 'waiting' }
  /** A message is coming. */
  | { readonly type: 'message'; readonly head: ResponseHead }
  /** An error in JSON is coming. */
  | { readonly type: 'error'; readonly head: ResponseHead }
  | { readonly type: 'over' };

/** The answer of a Connect backend to a unary call: bare bytes, kept whole since the inner prefix says their length. */
export class UnaryAnswer implements Reply {
  private readonly outer: Reply;
  private readonly request: RequestHead;
  private readonly maxMessageBytes: number;
  private readonly gate: CreditGate;
  private readonly kept = new KeptBytes();
  private inner: Body | undefined;
  private phase: Phase = { type: 'waiting' };

  constructor(outer: Reply, request: RequestHead, maxMessageBytes: number) {
    this.outer = outer;
    this.request = request;
    this.maxMessageBytes = maxMessageBytes;
    this.gate = new CreditGate(outer);
  }

  connect(inner: Body): void {
    this.inner = inner;
  }

  isOpen(): boolean {
    return this.phase.type !== 'over';
  }

  head(head: ResponseHead): void {
    if (this.phase.type !== 'waiting') return;
    const fault = head.status === 200 ? this.faultOfHead(head) : undefined;
    if (fault !== undefined) return this.refuse(fault);
    this.phase = { type: head.status === 200 ? 'message' : 'error', head };
    if (head.status !== 200 && !isJson(head.fields)) this.refuse(faultOfStatus(head.status));
  }

  write(bytes: Uint8Array): void {
    const { phase } = this;
    if (phase.type === 'over' || phase.type === 'waiting') return;
    const isTooLarge =
      this.kept.size + bytes.length > (phase.type === 'error' ? MAX_STATUS_BYTES : this.maxMessageBytes);
    if (isTooLarge) {
      return this.refuse(
        phase.type === 'error' ? faultOfStatus(phase.head.status) : responseFault('too-large', this.maxMessageBytes),
      );
    }
    this.kept.append(bytes);
    this.inner?.grant(bytes.length);
  }

  end(): void {
    const { phase } = this;
    switch (phase.type) {
      case 'message':
        return this.finishMessage(phase.head);
      case 'error':
        return this.finishError(phase.head);
      case 'waiting':
        return this.failWith(callError(Code.unknown, 'the service ended its answer without a head'));
      case 'over':
    }
  }

  fail(error: CallError): void {
    if (this.isOpen()) this.failWith(error);
  }

  /** Room for the request. */
  grant(bytes: number): void {
    if (this.isOpen()) this.outer.grant(bytes);
  }

  /** Room for bytes of the request, granted by ourselves. */
  grantRequest(bytes: number): void {
    this.grant(bytes);
  }

  /** Room for the answer. */
  grantReply(bytes: number): void {
    this.gate.grant(bytes);
  }

  /** The caller gave up. */
  cancel(reason: Cancel): void {
    this.gate.close();
    if (!this.isOpen()) return;
    this.close();
    this.inner?.cancel(reason);
  }

  /** Ends the call because either side broke the protocol. */
  refuse(error: CallError): void {
    if (!this.isOpen()) return;
    this.close();
    this.inner?.cancel('protocol-error');
    this.outer.fail(error);
  }

  private faultOfHead({ fields }: ResponseHead): CallError | undefined {
    const codec = codecOf(getField(this.request.fields, 'content-type') ?? '');
    const type = mediaTypeOf(getField(fields, 'content-type') ?? '');
    if (type !== `application/${codec}`) {
      return type === 'application/proto' || type === 'application/json'
        ? callError(Code.internal, `the service answered in ${type} though ${codec} was asked for`)
        : callError(Code.unknown, 'the service answered in a content type that is not that of a Connect answer');
    }
    const encoding = getField(fields, 'content-encoding');
    return isEncoded(encoding) && !isAccepted(encoding, this.request.fields)
      ? callError(Code.internal, 'the service compressed its answer in an encoding that was not agreed on')
      : undefined;
  }

  private finishMessage(head: ResponseHead): void {
    const encoding = getField(head.fields, 'content-encoding');
    const { size } = this.kept;
    // An empty body is the empty message, whatever it is said to be encoded in.
    const flags = isEncoded(encoding) && size > 0 ? FLAG_COMPRESSED : 0;
    const pieces = this.kept.takeAll();
    this.phase = { type: 'over' };
    this.outer.head({ status: 200, fields: this.toInnerFields(head.fields, flags === 0 ? undefined : encoding) });
    this.gate.write(encodePrefix(flags, size), true);
    for (const piece of pieces) this.gate.write(piece, true);
    this.gate.end(['grpc-status', '0', ...toTrailers(head.fields)]);
  }

  private finishError(head: ResponseHead): void {
    const encoding = getField(head.fields, 'content-encoding');
    const bytes = Buffer.concat(this.kept.takeAll());
    const plain = isEncoded(encoding) && bytes.length > 0 ? unpackStatus(bytes, encoding) : bytes;
    const json = plain === undefined ? undefined : parseJson(plain);
    const trailers = toErrorTrailers(json, codeFromHttpStatus(head.status));
    if (trailers === undefined) return this.failWith(faultOfStatus(head.status));
    this.phase = { type: 'over' };
    this.outer.head({ status: 200, fields: this.toInnerFields(head.fields, undefined) });
    this.gate.end([...trailers, ...toTrailers(head.fields)]);
  }

  private toInnerFields(fields: Fields, encoding: string | undefined): string[] {
    const inner = ['content-type', getField(this.request.fields, 'content-type') ?? 'application/grpc'];
    if (encoding !== undefined) inner.push('grpc-encoding', encoding);
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      if (name === 'accept-encoding') inner.push('grpc-accept-encoding', value);
      else if (!REPRESENTATION.has(name) && !name.startsWith(TRAILER_PREFIX)) inner.push(name, value);
    }
    return inner;
  }

  private failWith(error: CallError): void {
    this.close();
    this.outer.fail(error);
  }

  private close(): void {
    this.phase = { type: 'over' };
    this.kept.clear();
  }
}

function faultOfStatus(status: number): CallError {
  return callError(codeFromHttpStatus(status), `the service answered with HTTP status ${status}`);
}

function isJson(fields: Fields): boolean {
  return mediaTypeOf(getField(fields, 'content-type') ?? '') === 'application/json';
}

function toTrailers(fields: Fields): string[] {
  const trailers: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!name.startsWith(TRAILER_PREFIX)) continue;
    const own = name.slice(TRAILER_PREFIX.length);
    if (isTrailerName(own)) trailers.push(own, fields[i + 1] as string);
  }
  return trailers;
}
