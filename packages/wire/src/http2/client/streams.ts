import { callError, Code, NO_FIELDS, withoutFields, type CallError, type Fields } from '@bascule/core';
import type { CallCarrier, ClientCall } from './call.ts';
import type { RequestHeads } from './heads.ts';
import type { HeldWork } from './held-work.ts';
import { answerStray, ClosedStreams } from '../closed-streams.ts';
import { putReset } from '../control.ts';
import { callErrorOfReset, ConnectionFault, ErrorCode } from '../errors.ts';
import { takeReceived, widenSendWindow } from '../flow.ts';
import type { WindowGrowth } from '../window-growth.ts';
import { Flag, MAX_31_BITS, type Frame } from '../frames.ts';
import type { Http2Limits } from '../limits.ts';
import type { Outbox } from '../outbox.ts';
import { IdTable } from '../../id-table.ts';
import type { ResponseBlock } from './response.ts';
import { transition } from '../stream.ts';
import type { Receiving } from '../receiving.ts';
import type { Sending } from '../sending.ts';
import { Withdrawals } from './withdrawals.ts';

/** What a Trailers-Only answer says about a body it does not have; everything else of it is trailers. */
const HEAD_ONLY_FIELDS = new Set(['content-type', 'content-length']);

export interface StreamsOptions {
  readonly outbox: Outbox;
  readonly sending: Sending;
  readonly receiving: Receiving;
  readonly growth: WindowGrowth;
  readonly heads: RequestHeads;
  readonly heldWork: HeldWork;
  readonly limits: Http2Limits;
  /** A stream has ended: there may be room for another, or nothing left to do. */
  onEnded(): void;
}

/** The open streams of one connection in the client role: what comes for each of them, and how each ends. */
export class ClientStreams implements CallCarrier {
  readonly #calls = new IdTable<ClientCall>();
  readonly #closed = new ClosedStreams();
  readonly #options: StreamsOptions;
  readonly #withdrawals: Withdrawals;
  #lastId = -1;
  #emptyData = 0;
  #answered = 0;

  constructor(options: StreamsOptions) {
    this.#options = options;
    this.#withdrawals = new Withdrawals(options.outbox);
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Responses begun on this connection. */
  get answered(): number {
    return this.#answered;
  }

  /** False when the ids of this connection are used up. */
  hasIds(): boolean {
    return this.#lastId + 2 <= MAX_31_BITS;
  }

  /** Takes a call over and adds its HEADERS. Returns why that cannot be, or undefined. */
  open(call: ClientCall, sendWindowBytes: number): CallError | undefined {
    call.id = this.#lastId + 2;
    const refusal = this.#options.heads.put(call);
    if (refusal !== undefined) return refusal;
    this.#lastId = call.id;
    call.state = transition(call.state, 'open') ?? 'closed';
    call.send.available = sendWindowBytes;
    call.carrier = this;
    this.#calls.set(call.id, call);
    this.#sendEarlyWrites(call);
    return undefined;
  }

  write(call: ClientCall, bytes: Uint8Array): void {
    this.#options.sending.write(call, bytes);
  }

  end(call: ClientCall): void {
    if (call.waitingBytes() > 0) return;
    call.upload = 'ended';
    call.state = transition(call.state, 'send-end') ?? 'closed';
    this.#options.sending.endStream(call);
  }

  abandon(call: ClientCall, code: ErrorCode): void {
    if (!this.#remove(call)) return;
    const { heads, outbox, sending } = this.#options;
    if (call.headTurn === outbox.turn && heads.canTakeBack(call.id, this.#lastId)) {
      heads.takeBack(call.id);
      this.#withdrawals.add(call.id, call.headAt);
      // All of its DATA is of this turn, too.
      sending.window.available += call.leftBytes;
    } else {
      this.#closed.add(call.id, 'by-us');
      putReset(outbox, call.id, code);
      this.#options.heldWork.hold(call.head.call);
    }
    this.#options.onEnded();
  }

  granted(call: ClientCall): void {
    if (call.isCaughtUp) this.#options.growth.consider(call);
    this.#options.receiving.granted(call);
  }

  onBlock(streamId: number, endStream: boolean, block: ResponseBlock): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return this.#onStray(streamId, 'HEADERS');
    this.#emptyData = 0;
    if (block.tooLarge) {
      const message = 'the response fields are larger than the limit; raise maxHeaderListBytes or send less';
      return this.#reset(call, ErrorCode.enhanceYourCalm, callError(Code.resourceExhausted, message));
    }
    if (block.fault !== undefined) return this.#malformed(call, block.fault);
    if (call.answer === 'head') return this.#onTrailers(call, endStream, block);
    if (block.head === undefined) return this.#malformed(call, 'no :status');
    if (block.head.status < 200) return this.#onInformational(call, endStream, block.head.status);
    return this.#onHead(call, endStream, block);
  }

  onData(frame: Frame, flowBytes: number): void {
    this.#options.receiving.received(flowBytes);
    const call = this.#calls.get(frame.streamId);
    const length = frame.end - frame.start;
    const endStream = (frame.flags & Flag.endStream) !== 0;
    this.#countEmpty(length, endStream);
    if (call === undefined) return this.#onStray(frame.streamId, 'DATA');
    if (!takeReceived(call.receive, flowBytes)) {
      const error = callError(Code.internal, 'the backend sent more than its flow-control window');
      return this.#reset(call, ErrorCode.flowControlError, error);
    }
    if (call.answer === 'none') return this.#malformed(call, 'DATA before HEADERS');
    call.receivedBytes += length;
    if (call.contentLength >= 0 && call.receivedBytes > call.contentLength) {
      return this.#malformed(call, 'more DATA than content-length says');
    }
    // Padding never reaches the caller, so the caller cannot give it back.
    call.receive.returned += flowBytes - length;
    if (length > 0) call.take(frame.bytes.subarray(frame.start, frame.end));
    if (call.state === 'closed') return;
    if (endStream) this.#finish(call, NO_FIELDS);
    else this.granted(call);
  }

  onReset(streamId: number, code: number): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return this.#checkNotIdle(streamId, 'RST_STREAM');
    this.#remove(call);
    this.#closed.add(streamId, 'by-peer');
    call.fail(callErrorOfReset(code, call.answer === 'head'));
    this.#options.onEnded();
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const call = this.#calls.get(streamId);
    if (call === undefined) return this.#checkNotIdle(streamId, 'WINDOW_UPDATE');
    if (increment === 0) return this.#malformed(call, 'WINDOW_UPDATE of 0');
    if (!widenSendWindow(call.send, increment)) {
      const error = callError(Code.internal, 'the backend widened a flow-control window beyond 2^31-1');
      return this.#reset(call, ErrorCode.flowControlError, error);
    }
    if (call.send.available > 0) this.#options.sending.resume(call);
  }

  /** The last thing in a turn. */
  cutWithdrawn(): void {
    this.#withdrawals.cut();
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves all open windows by the difference (RFC 9113, 6.9.2). */
  shiftWindows(difference: number): void {
    for (const call of this.#calls.values()) {
      if (!widenSendWindow(call.send, difference)) {
        throw new ConnectionFault(ErrorCode.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE overflows a window');
      }
      if (call.send.available > 0) this.#options.sending.resume(call);
    }
  }

  /** Whether there is an open stream with an id of at most `lastId`. */
  hasUpTo(lastId: number): boolean {
    return this.#calls.values().some((call) => call.id <= lastId);
  }

  /** GOAWAY: the peer has not processed streams above `lastId` and never will. */
  refuseAbove(lastId: number): void {
    for (const call of this.#calls.values()) {
      if (call.id <= lastId) continue;
      this.#remove(call);
      const neverSent = call.headTurn === this.#options.outbox.turn;
      const message = 'the backend is closing its connection and did not process the call';
      call.fail(callError(Code.unavailable, message, neverSent ? 'never-sent' : 'refused'));
    }
  }

  /** The peer stands still: calls that may be repeated, and that another can take, are given up here. */
  giveUpMovable(): void {
    for (const call of this.#calls.values()) {
      const { elsewhere, method } = call.head.call;
      if (call.answer !== 'none' || elsewhere?.() !== true) continue;
      if (method?.idempotency !== 'idempotent' && method?.idempotency !== 'no_side_effects') continue;
      const message = 'the backend answers nothing, not even a PING';
      this.#reset(call, ErrorCode.cancel, callError(Code.unavailable, message));
    }
  }

  /** The connection is gone, and with it every call. */
  failAll(message: string): void {
    const calls = this.#calls.values();
    this.#calls.clear();
    this.#options.receiving.clear();
    for (const call of calls) {
      this.#options.sending.forget(call);
      const neverSent = call.headTurn === this.#options.outbox.turn;
      call.fail(callError(Code.unavailable, message, neverSent ? 'never-sent' : 'maybe'));
    }
  }

  #sendEarlyWrites(call: ClientCall): void {
    if (call.waitingBytes() > 0) this.#options.sending.adopt(call);
    else if (call.upload === 'ending') this.end(call);
    if (call.receive.returned > 0) this.granted(call);
  }

  #onHead(call: ClientCall, endStream: boolean, block: ResponseBlock): void {
    const head = block.head;
    if (head === undefined) return;
    call.answer = 'head';
    this.#answered += 1;
    // Answers to HEAD, and 304, speak of a body that does not come (RFC 9110, 8.6).
    const bodiless = call.head.method === 'HEAD' || head.status === 304;
    call.contentLength = bodiless ? -1 : block.contentLength;
    if (endStream && call.contentLength <= 0 && block.hasGrpcStatus) {
      return this.#finish(call, withoutFields(block.fields, HEAD_ONLY_FIELDS));
    }
    if (endStream && call.contentLength > 0) return this.#malformed(call, 'no DATA although content-length says so');
    call.begin(head);
    if (endStream && (call.state as string) !== 'closed') this.#finish(call, NO_FIELDS);
  }

  #onTrailers(call: ClientCall, endStream: boolean, block: ResponseBlock): void {
    if (block.head !== undefined) return this.#malformed(call, ':status in trailers');
    if (!endStream) return this.#malformed(call, 'trailers that do not end the stream');
    this.#finish(call, block.fields);
  }

  #onInformational(call: ClientCall, endStream: boolean, status: number): void {
    if (endStream || status === 101) return this.#malformed(call, `status ${status} is not allowed here`);
    call.informational += 1;
    if (call.informational > this.#options.limits.maxInformational) {
      const error = callError(Code.resourceExhausted, 'the backend sent too many non-final responses');
      this.#reset(call, ErrorCode.enhanceYourCalm, error);
    }
  }

  #finish(call: ClientCall, trailers: Fields): void {
    if (call.contentLength >= 0 && call.receivedBytes !== call.contentLength) {
      return this.#malformed(call, 'less DATA than content-length says');
    }
    this.#remove(call);
    call.state = transition(call.state, 'receive-end') ?? 'closed';
    if (call.state !== 'closed') {
      // An early answer stops the upload; the peer needs to know that no more comes.
      call.state = 'closed';
      putReset(this.#options.outbox, call.id, ErrorCode.noError);
    }
    call.finish(trailers);
    this.#options.onEnded();
  }

  #malformed(call: ClientCall, what: string): void {
    const error = callError(Code.internal, `the backend sent a malformed response: ${what}`);
    this.#reset(call, ErrorCode.protocolError, error);
  }

  /** A stream error: ends one call, the connection lives. */
  #reset(call: ClientCall, code: ErrorCode, error: CallError): void {
    this.#remove(call);
    this.#closed.add(call.id, 'by-us');
    putReset(this.#options.outbox, call.id, code);
    call.fail(error);
    this.#options.onEnded();
  }

  #remove(call: ClientCall): boolean {
    this.#options.sending.forget(call);
    if (!this.#calls.delete(call.id)) return false;
    this.#options.growth.release(call.receive);
    return true;
  }

  #onStray(streamId: number, name: string): void {
    this.#checkNotIdle(streamId, name);
    answerStray(this.#closed, this.#options.outbox, streamId, name);
  }

  #checkNotIdle(streamId: number, name: string): void {
    if (streamId > this.#lastId || streamId % 2 === 0) {
      throw new ConnectionFault(ErrorCode.protocolError, `${name} on an idle stream`);
    }
  }

  #countEmpty(length: number, endStream: boolean): void {
    if (length > 0 || endStream) {
      this.#emptyData = 0;
      return;
    }
    this.#emptyData += 1;
    if (this.#emptyData > this.#options.limits.maxEmptyData) {
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many empty DATA frames');
    }
  }
}
