import {
  callError,
  Code,
  codeFromHttpStatus,
  getField,
  type Body,
  type CallError,
  type Fields,
  type Reply,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { FrameScanner } from '../frame-scanner.ts';
import { HOP_FIELDS } from '../hop-fields.ts';

/**
 * Turns what a backend answers over HTTP into the inner dialect: pages of a proxy, heads that hold the status, and
 * answers that stop short become statuses. `next` is the link to the backend.
 */
export function createGrpcUpstream(next: Service): Service {
  return (head, reply) => {
    const upstream = new UpstreamReply(reply);
    const body = next(head, upstream);
    upstream.connect(body);
    return body;
  };
}

type Phase =
  | { readonly type: 'waiting' }
  /** The head holds a status: with an end it is Trailers-Only, with bytes it is a head. */
  | { readonly type: 'held'; readonly head: ResponseHead }
  | { readonly type: 'answering' }
  | { readonly type: 'over' };

const WAITING: Phase = { type: 'waiting' };
const ANSWERING: Phase = { type: 'answering' };
const OVER: Phase = { type: 'over' };

const NOT_FRAMED = callError(Code.internal, 'the service answered with bytes that are no message');
const TRUNCATED = callError(Code.internal, 'the service ended its answer in the middle of a message');
const NO_STATUS = callError(Code.unknown, 'the service ended its answer without a status');

class UpstreamReply implements Reply {
  private readonly outer: Reply;
  private readonly scanner = new FrameScanner(Number.POSITIVE_INFINITY, true);
  private phase: Phase = WAITING;
  private body: Body | undefined;

  constructor(outer: Reply) {
    this.outer = outer;
  }

  connect(body: Body): void {
    this.body = body;
  }

  head(head: ResponseHead): void {
    if (this.phase.type !== 'waiting') return;
    if (getField(head.fields, 'grpc-status') !== undefined) {
      this.phase = { type: 'held', head };
      return;
    }
    const fault = faultOfHead(head);
    if (fault !== undefined) {
      this.refuse(fault);
      return;
    }
    this.phase = ANSWERING;
    this.outer.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.phase.type === 'held') this.release(this.phase.head);
    if (this.phase.type === 'over') return;
    if (this.phase.type === 'waiting' || this.scanner.scan(bytes) !== undefined) this.refuse(NOT_FRAMED);
    else this.outer.write(bytes);
  }

  end(trailers: Fields): void {
    const { phase } = this;
    if (phase.type === 'over') return;
    const status = getField(trailers, 'grpc-status');
    if (phase.type === 'held' && status === undefined) {
      this.phase = OVER;
      this.outer.end(toTrailers(phase.head.fields));
      return;
    }
    if (phase.type === 'held') this.release(phase.head);
    if (this.isOver()) return;
    this.phase = OVER;
    if (status === undefined) this.outer.fail(NO_STATUS);
    else if (status === '0' && !this.scanner.isAtBoundary()) this.outer.fail(TRUNCATED);
    else this.outer.end(trailers);
  }

  fail(error: CallError): void {
    if (this.phase.type === 'over') return;
    this.phase = OVER;
    this.outer.fail(error);
  }

  grant(bytes: number): void {
    if (this.phase.type !== 'over') this.outer.grant(bytes);
  }

  /** A head whose status was premature goes on without it; trailers decide. */
  private release(head: ResponseHead): void {
    const fault = faultOfHead(head);
    if (fault !== undefined) {
      this.refuse(fault);
      return;
    }
    this.phase = ANSWERING;
    const fields = head.fields.flatMap((name, i) =>
      i % 2 === 0 && name !== 'grpc-status' && name !== 'grpc-message' && name !== 'grpc-status-details-bin'
        ? [name, head.fields[i + 1] as string]
        : [],
    );
    this.outer.head({ status: head.status, fields });
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

/** Why a head is not gRPC's; undefined when it is. */
function faultOfHead(head: ResponseHead): CallError | undefined {
  if (head.status !== 200) {
    return callError(codeFromHttpStatus(head.status), `the service answered with HTTP status ${head.status}`);
  }
  const contentType = getField(head.fields, 'content-type');
  if (contentType !== undefined && isGrpc(contentType)) return undefined;
  return callError(Code.unknown, 'the service answered in a content type that is not gRPC');
}

/** `application/grpc` alone, with a codec or parameters; not gRPC-Web, whose bodies end in a frame of trailers. */
function isGrpc(contentType: string): boolean {
  if (!contentType.startsWith('application/grpc')) return false;
  const next = contentType[16];
  return next === undefined || next === '+' || next === ';' || next === ' ';
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
