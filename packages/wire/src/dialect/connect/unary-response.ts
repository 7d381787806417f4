import {
  callError,
  Code,
  codeFromHttpStatus,
  getField,
  KeptBytes,
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
import { CreditGate } from '../credit-gate.ts';
import { responseFault, TRUNCATED_RESPONSE } from '../faults.ts';
import type { StandAlone } from '../format.ts';
import { FrameScanner, PREFIX_BYTES } from '../frame-scanner.ts';
import { noteRefusal } from '../refusal.ts';
import { statusOf } from './error.ts';
import type { ConnectUnaryFormat } from './response.ts';

const MANY = callError(Code.unimplemented, 'the service answered a unary call with more than one message');
const NONE = callError(Code.unimplemented, 'the service answered a unary call without a message');
const UNDECLARED = callError(Code.internal, 'the service answered with a compressed message but declared no encoding');

/** Asks the request side to pass on room that the callee granted. */
export interface RoomTaker {
  room(bytes: number): void;
}

interface UnaryResponseOptions {
  readonly format: ConnectUnaryFormat;
  readonly call: CallContext;
  readonly maxMessageBytes: number;
}

/** The answer of a Connect unary call: kept until its status is known, since that is the HTTP status. */
export class UnaryResponse implements Reply {
  private readonly outer: Reply;
  private readonly options: UnaryResponseOptions;
  private readonly gate: CreditGate;
  private readonly scanner: FrameScanner;
  private inner: Body | undefined;
  private request: RoomTaker | undefined;
  private phase: 'collecting' | 'closed' = 'collecting';
  private headFields: Fields | undefined;
  private readonly kept = new KeptBytes();

  constructor(outer: Reply, options: UnaryResponseOptions) {
    this.outer = outer;
    this.options = options;
    this.gate = new CreditGate(outer);
    this.scanner = new FrameScanner(options.maxMessageBytes, true);
  }

  /** Tells where to cancel, and who takes room for the request. */
  connect(inner: Body, request: RoomTaker): void {
    this.inner = inner;
    this.request = request;
  }

  isOpen(): boolean {
    return this.phase === 'collecting';
  }

  head(head: ResponseHead): void {
    if (this.phase === 'closed') return;
    this.headFields ??= head.fields;
    if (head.status === 200) return;
    this.refuse(callError(codeFromHttpStatus(head.status), `the service answered with HTTP status ${head.status}`));
  }

  write(bytes: Uint8Array): void {
    if (this.phase === 'closed') return;
    const fault = this.headFields === undefined ? 'bad-flags' : this.scanner.scan(bytes);
    if (fault !== undefined) {
      this.refuse(responseFault(fault, this.options.maxMessageBytes));
    } else if (this.scanner.messages > 1) {
      this.refuse(MANY);
    } else {
      this.kept.append(bytes);
      // The scanner has checked the length, so that this ends at the limit.
      this.inner?.grant(bytes.length);
    }
  }

  end(trailers: Fields): void {
    if (this.phase === 'closed') return;
    const status = statusOf(trailers);
    if (status.code !== Code.ok) {
      this.finish(this.options.format.failure(this.headFields ?? [], status, trailers));
      return;
    }
    const fault = this.faultOfSuccess();
    if (fault !== undefined) {
      this.finishWith(fault);
      return;
    }
    const message = joinPieces(this.kept.takeAll()).subarray(PREFIX_BYTES);
    const compressed = message.length > 0 && this.scanner.isCompressed();
    this.finish(this.options.format.success(this.headFields ?? [], { bytes: message, compressed }, trailers));
  }

  fail(error: CallError): void {
    if (this.phase === 'closed') return;
    const trailers = trailersOf(error);
    const answer = this.options.format.failure(this.headFields ?? [], statusOf(trailers), trailers);
    this.finish(isUnknownPath(error) ? { ...answer, status: 404 } : answer);
  }

  /** Room for the request. */
  grant(bytes: number): void {
    if (this.phase === 'collecting') this.request?.room(bytes);
  }

  /** Room for bytes of the request, granted by ourselves. */
  grantRequest(bytes: number): void {
    if (this.phase === 'collecting') this.outer.grant(bytes);
  }

  /** Room for the answer. */
  grantReply(bytes: number): void {
    this.gate.grant(bytes);
  }

  /** The caller gave up. */
  cancel(reason: Cancel): void {
    this.gate.close();
    if (this.phase === 'closed') return;
    this.close();
    this.inner?.cancel(reason);
  }

  /** Ends the call because either side broke the protocol. */
  refuse(error: CallError): void {
    if (this.phase === 'closed') return;
    this.close();
    this.inner?.cancel('protocol-error');
    this.finishWith(error);
  }

  private finishWith(error: CallError): void {
    noteRefusal(this.options.call, error);
    this.finish(this.options.format.standAlone(trailersOf(error)));
  }

  private finish({ status, fields, bytes }: StandAlone): void {
    this.close();
    this.outer.head({ status, fields });
    if (bytes !== undefined) this.gate.write(bytes, true);
    this.gate.end(NO_FIELDS);
  }

  private close(): void {
    this.phase = 'closed';
    if (this.kept.size > 0) this.kept.clear();
  }

  /** Why an answer that claims success is none. */
  private faultOfSuccess(): CallError | undefined {
    if (!this.scanner.isAtBoundary()) return TRUNCATED_RESPONSE;
    if (this.scanner.messages === 0) return NONE;
    if (!this.scanner.isCompressed()) return undefined;
    const encoding = getField(this.headFields ?? [], 'grpc-encoding');
    return encoding === undefined || encoding === 'identity' ? UNDECLARED : undefined;
  }
}

function joinPieces(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
}

/** Nobody answers the path, as opposed to a callee that says `unimplemented` (501): the caller's URL is what is wrong. */
function isUnknownPath({ code, processed }: CallError): boolean {
  return code === Code.unimplemented && processed === 'never-sent';
}
