import {
  INITIAL_CREDIT_BYTES,
  NO_FIELDS,
  type Body,
  type CallContext,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { BROKEN_HEAD, BROKEN_SERVICE, toPlainAnswer, type PlainAnswer } from '../../listener/failure.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import { ErrorCode } from '../errors.ts';
import { SendingStream } from '../sending-stream.ts';
import type { RequestBlock } from './request-block.ts';
import type { EncodedBlock } from './response-encoder.ts';

/** Who carries a stream: the streams of its connection. */
export interface StreamCarrier {
  encodeHead(status: number, fields: Fields): EncodedBlock | undefined;
  putHead(stream: ServerStream, block: EncodedBlock): void;
  putData(stream: ServerStream, bytes: Uint8Array): void;
  /** Bytes that no frame carries: their writer gets its credit back all the same. */
  dropData(stream: ServerStream, bytes: number): void;
  putEnd(stream: ServerStream, trailers: Fields): void;
  /** Ends the stream by RST_STREAM, on our own account. */
  reset(stream: ServerStream, code: ErrorCode): void;
  /** Some of what waited has left. */
  moved(stream: ServerStream): void;
  /** The callee made room; `receive.returned` has been raised. */
  granted(stream: ServerStream): void;
}

/**
 * Where the answer is.
 * - `none`: no head yet
 * - `open`: the head is said, more may come
 * - `ending`: the callee has said all, and bytes wait for a window
 * - `over`: a terminal event was seen
 */
type Answer = 'none' | 'open' | 'ending' | 'over';

/** Where the request is for the callee: `held` has bytes or the end waiting for its credit. */
type Upload = 'open' | 'held' | 'ended';

const NO_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };
const TEXT: Fields = ['content-type', 'text/plain; charset=utf-8'];

/** One request and its answer (RFC 9113, 8.1): the callee's Reply, and what the callee hears. */
export class ServerStream extends SendingStream implements Reply {
  #body: Body = NO_BODY;
  receivedBytes = 0;
  thoughtBytes = 0;
  thoughtMs: number;
  /** Announced content-length of the request, or -1. */
  readonly contentLength: number;
  /** When an answer that waits last moved. */
  movedMs = 0;
  /** Of the call, once it has started. */
  context: CallContext | undefined;
  readonly #carrier: StreamCarrier;
  /** Answers to HEAD, and 204 and 304, have no content (RFC 9110, 6.4.1). */
  #hasContent: boolean;
  #answer: Answer = 'none';
  #upload: Upload = 'open';
  /** Request bytes the callee can take. */
  #creditBytes = INITIAL_CREDIT_BYTES;
  #held: ByteBuffer | undefined;
  #heldAt = 0;
  #isDelivering = false;
  /** What is left of the callee's content-length, or -1. */
  #replyLeft = -1;
  #trailers: Fields = NO_FIELDS;

  constructor(carrier: StreamCarrier, request: RequestBlock, sendWindowBytes: number, nowMs: number) {
    super(sendWindowBytes, INITIAL_CREDIT_BYTES);
    this.#carrier = carrier;
    this.#hasContent = request.method !== 'HEAD';
    this.contentLength = request.contentLength;
    this.thoughtMs = nowMs;
  }

  /** Starts the call. A service must not throw: one that does costs its own call. */
  start(service: Service, head: RequestHead): void {
    this.context = head.call;
    try {
      this.#body = service(head, this);
    } catch {
      this.#break();
    }
  }

  head(head: ResponseHead): void {
    if (this.#answer !== 'none') return;
    const { status } = head;
    const isFinal = Number.isInteger(status) && status >= 200 && status <= 999;
    const block = isFinal ? this.#carrier.encodeHead(status, head.fields) : undefined;
    if (block === undefined) {
      this.#dismiss('protocol-error');
      return this.#say(BROKEN_HEAD);
    }
    this.#answer = 'open';
    if (status === 204 || status === 304) this.#hasContent = false;
    if (this.#hasContent) this.#replyLeft = block.contentLength;
    this.#carrier.putHead(this, block);
  }

  write(bytes: Uint8Array): void {
    if (this.#answer !== 'open' || bytes.length === 0) return;
    if (!this.#hasContent) return this.#carrier.dropData(this, bytes.length);
    if (this.#replyLeft !== -1) {
      this.#replyLeft -= bytes.length;
      // A body of another length than announced is malformed; NaN is no number at all.
      if (!(this.#replyLeft >= 0)) return this.#breakOff();
    }
    this.#carrier.putData(this, bytes);
  }

  end(trailers: Fields): void {
    if (this.#answer === 'none') return this.#endAtOnce(trailers);
    if (this.#answer !== 'open') return;
    if (this.#replyLeft !== -1 && this.#replyLeft !== 0) return this.#breakOff();
    const last = this.#hasContent ? trailers : NO_FIELDS;
    if (this.waiting === undefined) return this.#end(last);
    this.#answer = 'ending';
    this.#trailers = last;
  }

  fail(error: CallError): void {
    if (this.#answer === 'none') return this.#say(toPlainAnswer(error));
    if (this.#answer !== 'open') return;
    this.#answer = 'over';
    this.#carrier.reset(this, ErrorCode.internalError);
  }

  grant(bytes: number): void {
    if (this.state === 'closed' || !(bytes > 0)) return;
    this.#creditBytes += bytes;
    this.receive.returned += bytes;
    if (this.#upload === 'held') this.#deliver();
    this.#carrier.granted(this);
  }

  /** Whether the callee has taken all that came. */
  get isCaughtUp(): boolean {
    return this.#held === undefined;
  }

  /** Request bytes have come, within the window. */
  receiveBytes(bytes: Uint8Array): void {
    if (this.#isAnswered()) return;
    if (this.#upload === 'open' && bytes.length <= this.#creditBytes) {
      this.#creditBytes -= bytes.length;
      return this.#write(bytes);
    }
    this.#hold(bytes);
    this.#deliver();
  }

  /** The request is whole. */
  receiveEnd(): void {
    if (this.#held === undefined) this.#endUpload();
  }

  /** Nobody waits for the answer any more. The stream is closed already. */
  drop(reason: Cancel): void {
    const hadEnded = this.#isAnswered();
    this.#answer = 'over';
    this.#held = undefined;
    if (!hadEnded) this.#dismiss(reason);
  }

  onLeft(bytes: number): void {
    if (this.waiting !== undefined) this.#carrier.moved(this);
    if (this.#answer !== 'open') return;
    try {
      this.#body.grant(bytes);
    } catch {
      this.#break();
    }
  }

  onCaughtUp(): void {
    if (this.#answer === 'ending') this.#end(this.#trailers);
  }

  /** Trailers-Only, or no answer but an end: one block. */
  #endAtOnce(trailers: Fields): void {
    const block = this.#carrier.encodeHead(200, trailers);
    if (block === undefined) return this.#say(BROKEN_HEAD);
    this.#carrier.putHead(this, block);
    this.#end(NO_FIELDS);
  }

  #end(trailers: Fields): void {
    this.#answer = 'over';
    this.#held = undefined;
    this.#heldAt = 0;
    this.#carrier.putEnd(this, trailers);
  }

  /** A whole answer of our own. */
  #say({ status, text }: PlainAnswer): void {
    this.#answer = 'none';
    this.head({ status, fields: TEXT });
    this.write(Buffer.from(text));
    this.end(NO_FIELDS);
  }

  #hold(bytes: Uint8Array): void {
    this.#held ??= new ByteBuffer(bytes.length);
    if (this.#heldAt * 2 > this.#held.length) {
      this.#held.dropFront(this.#heldAt);
      this.#heldAt = 0;
    }
    this.#held.append(bytes);
    this.#upload = 'held';
  }

  /** Gives the callee of what is held as much as it has credit for. */
  #deliver(): void {
    // A callee may grant inside `write`; without this latch the nested write would overtake the bytes it is still reading.
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    for (let held = this.#held; held !== undefined && this.#creditBytes > 0; held = this.#held) {
      const bytes = held.bytes.subarray(this.#heldAt, Math.min(held.length, this.#heldAt + this.#creditBytes));
      this.#heldAt += bytes.length;
      this.#creditBytes -= bytes.length;
      // What comes while it reads goes behind, and never into the bytes that are lent.
      if (this.#heldAt === held.length) {
        this.#held = undefined;
        this.#heldAt = 0;
      }
      this.#write(bytes);
    }
    this.#isDelivering = false;
    if (this.#held !== undefined) return;
    this.#upload = 'open';
    if (this.state === 'half-closed-remote') this.#endUpload();
  }

  #write(bytes: Uint8Array): void {
    if (this.#isAnswered()) return;
    try {
      this.#body.write(bytes);
    } catch {
      this.#break();
    }
  }

  #endUpload(): void {
    if (this.#upload === 'ended') return;
    this.#upload = 'ended';
    if (this.#isAnswered()) return;
    try {
      this.#body.end();
    } catch {
      this.#break();
    }
  }

  /** After its last word a callee hears nothing more. */
  #isAnswered(): boolean {
    return this.#answer === 'over' || this.#answer === 'ending';
  }

  #break(): void {
    const answer = this.#answer;
    if (this.#isAnswered()) return;
    this.#answer = 'over';
    if (answer === 'none') this.#say(BROKEN_SERVICE);
    else this.#carrier.reset(this, ErrorCode.internalError);
    this.#tell('protocol-error');
  }

  /** The callee's answer cannot be sent as it said: the caller must see that it is not whole. */
  #breakOff(): void {
    this.#answer = 'over';
    this.#carrier.reset(this, ErrorCode.internalError);
    this.#tell('protocol-error');
  }

  #dismiss(reason: Cancel): void {
    this.#answer = 'over';
    this.#tell(reason);
  }

  /** A callee that broke in the middle of a call still holds leases and timers for it. */
  #tell(reason: Cancel): void {
    try {
      this.#body.cancel(reason);
    } catch {
      // Broken for good: nothing is left to tell it.
    }
  }
}
