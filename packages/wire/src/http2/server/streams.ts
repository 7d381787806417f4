import { createCallContext, type Cancel, type Fields, type PeerCertificate, type RequestHead } from '@bascule/core';
import { IdTable } from '../../id-table.ts';
import type { AbuseKind } from '../../listener/abuse.ts';
import type { Edge } from '../../listener/edge.ts';
import { answerStray, ClosedStreams } from '../closed-streams.ts';
import { putReset } from '../control.ts';
import { ConnectionFault, ErrorCode } from '../errors.ts';
import { takeReceived, widenSendWindow } from '../flow.ts';
import { Flag, type Frame } from '../frames.ts';
import { beginHeaders, endHeaders, type HeadStream } from '../header-frames.ts';
import { TABLE_SIZE_ZERO } from '../hpack/encoder.ts';
import type { Outbox } from '../outbox.ts';
import type { Receiving } from '../receiving.ts';
import type { Sending } from '../sending.ts';
import type { PeerSettings } from '../settings.ts';
import { transition } from '../stream.ts';
import { EarlyAnswers } from './early-answers.ts';
import type { FloodGuard } from './flood-guard.ts';
import { TOO_LARGE, type RequestBlock } from './request-block.ts';
import type { ResetGuard } from './reset-guard.ts';
import type { EncodedBlock, ResponseEncoder } from './response-encoder.ts';
import { StreamIds } from './stream-ids.ts';
import { ServerStream, type StreamCarrier } from './stream.ts';
import { toTunnel } from './tunnel.ts';
import { Unsettled } from './unsettled.ts';
import type { WindowGrowth } from '../window-growth.ts';

export interface ServerStreamsOptions {
  readonly edge: Edge;
  readonly peer: string;
  readonly certificate: PeerCertificate | undefined;
  readonly outbox: Outbox;
  readonly settings: PeerSettings;
  readonly sending: Sending;
  readonly receiving: Receiving;
  readonly responses: ResponseEncoder;
  readonly resets: ResetGuard;
  readonly floods: FloodGuard;
  readonly growth: WindowGrowth;
  /** Whether new streams are taken: not after the last GOAWAY. */
  isTaking(): boolean;
  /** Whether the peer can know the limit on streams. */
  knowsSettings(): boolean;
  /** An answer waits for a window: somebody has to look after it. */
  onWaiting(): void;
  /** An answer was whole before its request: see {@link ServerStreams.stopUploads}. */
  onAnsweredEarly(): void;
  /** The last stream has ended. */
  onIdle(): void;
}

/** The streams of one connection in the server role (RFC 9113, 5): what comes for each, and how each ends. */
export class ServerStreams implements StreamCarrier {
  readonly #streams = new IdTable<ServerStream>();
  readonly #closed = new ClosedStreams();
  readonly #ids = new StreamIds();
  readonly #options: ServerStreamsOptions;
  readonly #unsettled = new Unsettled();
  readonly #answered = new EarlyAnswers();
  #firstBlock = true;

  constructor(options: ServerStreamsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** The highest stream that was taken, for GOAWAY. */
  get lastId(): number {
    return this.#ids.last;
  }

  onBlock(streamId: number, endStream: boolean, block: RequestBlock, dependsOnItself: boolean): void {
    if (this.#ids.isNew(streamId)) return this.#open(streamId, endStream, block, dependsOnItself);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#onStray(streamId, 'HEADERS');
    if (stream.state === 'half-closed-remote') return this.#fault(stream, ErrorCode.streamClosed);
    if (block === TOO_LARGE) {
      this.#options.edge.onAbuse('header-list-size');
      return this.#fault(stream, ErrorCode.enhanceYourCalm);
    }
    // A second block is trailers, which end the stream (RFC 9113, 8.1).
    if (dependsOnItself || block.kind !== 'trailers' || !endStream) return this.#fault(stream, ErrorCode.protocolError);
    this.#receiveEnd(stream);
  }

  onData(frame: Frame, flowBytes: number): void {
    const { receiving, floods } = this.#options;
    receiving.received(flowBytes);
    const { streamId } = frame;
    const length = frame.end - frame.start;
    const endStream = (frame.flags & Flag.endStream) !== 0;
    if (!endStream && (length === 0 || length < flowBytes - length)) floods.emptyData();
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#onStray(streamId, 'DATA');
    if (stream.state === 'half-closed-remote') return this.#fault(stream, ErrorCode.streamClosed);
    if (!takeReceived(stream.receive, flowBytes)) return this.#fault(stream, ErrorCode.flowControlError);
    stream.receivedBytes += length;
    if (stream.contentLength >= 0 && stream.receivedBytes > stream.contentLength) {
      return this.#fault(stream, ErrorCode.protocolError);
    }
    // Padding never reaches the callee, so the callee cannot give it back.
    if (flowBytes > length) {
      stream.receive.returned += flowBytes - length;
      receiving.granted(stream);
    }
    if (length > 0) stream.receiveBytes(frame.bytes.subarray(frame.start, frame.end));
    if (endStream && (stream.state as string) !== 'closed') this.#receiveEnd(stream);
  }

  onReset(streamId: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) {
      this.#ids.checkUsed(streamId, 'RST_STREAM');
      return this.#options.floods.strayReset();
    }
    const isAnswered = stream.state === 'half-closed-local';
    this.#close(stream);
    this.#closed.add(streamId, 'by-peer');
    this.#drop(stream, 'caller-gone');
    if (!isAnswered) this.#options.resets.count('rapid-reset');
  }

  onPriority(streamId: number, dependsOn: number): void {
    this.#options.floods.priority();
    if (dependsOn !== streamId) return;
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return this.#fault(stream, ErrorCode.protocolError);
    // RST_STREAM on an idle stream would itself be an error at the peer.
    if (this.#ids.isNew(streamId)) {
      throw new ConnectionFault(ErrorCode.protocolError, 'an idle stream that depends on itself');
    }
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return this.#ids.checkUsed(streamId, 'WINDOW_UPDATE');
    if (increment === 0) return this.#fault(stream, ErrorCode.protocolError);
    if (!widenSendWindow(stream.send, increment)) {
      this.#options.edge.onAbuse('window-overflow');
      return this.#fault(stream, ErrorCode.flowControlError);
    }
    if (stream.send.available > 0) this.#options.sending.resume(stream);
  }

  /** SETTINGS_INITIAL_WINDOW_SIZE moves all open windows by the difference (RFC 9113, 6.9.2). */
  shiftWindows(difference: number): void {
    for (const stream of this.#streams.values()) {
      if (!widenSendWindow(stream.send, difference)) {
        const message = 'SETTINGS_INITIAL_WINDOW_SIZE overflows a window';
        throw new ConnectionFault(ErrorCode.flowControlError, message, 'window-overflow');
      }
      if (stream.send.available > 0) this.#options.sending.resume(stream);
    }
  }

  /** Frees answers that have waited since before `beforeMs`. Returns since when the oldest other one waits. */
  resetStalled(beforeMs: number): number {
    let oldestMs = Infinity;
    for (const stream of this.#streams.values()) {
      if (stream.waitingBytes() === 0) continue;
      if (stream.movedMs > beforeMs) {
        oldestMs = Math.min(oldestMs, stream.movedMs);
        continue;
      }
      this.#options.edge.onAbuse('zero-window');
      this.reset(stream, ErrorCode.cancel);
      this.#drop(stream, 'caller-gone');
    }
    return oldestMs;
  }

  /** Nothing more comes from the peer: requests that are not whole never will be. */
  dropUnfinished(): void {
    for (const stream of this.#streams.values()) {
      if (stream.state === 'half-closed-remote') continue;
      this.#close(stream);
      this.#drop(stream, 'caller-gone');
    }
  }

  /** The connection is gone, and with it every stream. */
  dropAll(reason: 'caller-gone' | 'protocol-error'): void {
    for (const stream of this.#streams.values()) {
      this.#close(stream);
      this.#drop(stream, reason);
    }
    this.#options.receiving.clear();
  }

  encodeHead(status: number, fields: Fields): EncodedBlock | undefined {
    return this.#options.responses.head(status, fields);
  }

  putHead(stream: ServerStream, block: EncodedBlock): void {
    this.#putBlock(stream, block, 0);
  }

  putData(stream: ServerStream, bytes: Uint8Array): void {
    const { sending, edge } = this.#options;
    const waited = stream.waiting !== undefined;
    sending.write(stream, bytes);
    // Last, since it tells callees of room, and what they write then comes behind.
    if (stream.waiting === undefined) return this.#options.outbox.flushIfFull();
    if (sending.waitingBytes > edge.limits.maxSessionBytes) {
      // Only a callee that ignores its credit gets here.
      this.reset(stream, ErrorCode.internalError);
      return this.#drop(stream, 'protocol-error');
    }
    if (waited) return;
    stream.movedMs = edge.clock.nowMs();
    this.#options.onWaiting();
  }

  dropData(stream: ServerStream, bytes: number): void {
    this.#options.sending.skip(stream, bytes);
  }

  putEnd(stream: ServerStream, trailers: Fields): void {
    const { sending, responses } = this.#options;
    const block = trailers.length === 0 ? undefined : responses.trailers(trailers);
    if (block === undefined || block.bytes.length === 0) sending.endStream(stream);
    else this.#putBlock(stream, block, Flag.endStream);
    stream.state = transition(stream.state, 'send-end') ?? 'closed';
    if (stream.state === 'closed') return this.#close(stream);
    // The end of the request is most often right behind: only who goes on uploading is told to stop.
    this.#options.edge.openCalls -= 1;
    stream.movedMs = this.#options.edge.clock.nowMs();
    this.#answered.add(stream);
    this.#options.onAnsweredEarly();
  }

  /** Tells callers that still upload, though they had their whole answer before `beforeMs`, to stop (RFC 9113, 8.1). */
  stopUploads(beforeMs: number): number {
    return this.#answered.stop(beforeMs, (stream) => this.reset(stream, ErrorCode.noError));
  }

  reset(stream: ServerStream, code: ErrorCode): void {
    this.#close(stream);
    this.#putReset(stream.id, code);
  }

  moved(stream: ServerStream): void {
    stream.movedMs = this.#options.edge.clock.nowMs();
  }

  granted(stream: ServerStream): void {
    if (stream.isCaughtUp) this.#options.growth.consider(stream);
    this.#options.receiving.granted(stream);
  }

  #open(streamId: number, endStream: boolean, block: RequestBlock, dependsOnItself: boolean): void {
    const { edge, resets, settings } = this.#options;
    // Not counted: the last GOAWAY has said which stream is the last.
    if (!this.#options.isTaking()) return putReset(this.#options.outbox, streamId, ErrorCode.refusedStream);
    this.#ids.use(streamId);
    resets.opened();
    const { maxStreams, maxUnsettledStreams } = edge.limits;
    if (this.#streams.size >= maxStreams || this.#unsettled.count >= maxUnsettledStreams) return this.#refuse(streamId);
    if (block.kind === 'malformed' || block.kind === 'trailers' || dependsOnItself) {
      return this.#faultUnopened(streamId, ErrorCode.protocolError);
    }
    if (block.kind === 'refused') return this.#answerRefused(streamId, endStream, block);
    if (endStream && block.contentLength > 0) return this.#faultUnopened(streamId, ErrorCode.protocolError);
    const nowMs = edge.clock.nowMs();
    const stream = new ServerStream(this, block, settings.initialWindowBytes, nowMs);
    stream.id = streamId;
    stream.state = endStream ? 'half-closed-remote' : 'open';
    this.#streams.set(streamId, stream);
    edge.openCalls += 1;
    const { method, path, authority, fields, protocol } = block;
    const call = createCallContext(edge.nextCallId(), nowMs, this.#options.peer);
    call.httpVersion = '2';
    call.peerCertificate = this.#options.certificate;
    const head: RequestHead = { method, path, authority, scheme: edge.scheme, fields, call };
    stream.start(protocol === '' ? edge.service : toTunnel(edge, protocol), head);
    if (endStream && (stream.state as string) !== 'closed') stream.receiveEnd();
  }

  #receiveEnd(stream: ServerStream): void {
    if (stream.contentLength >= 0 && stream.receivedBytes !== stream.contentLength) {
      return this.#fault(stream, ErrorCode.protocolError);
    }
    if (stream.state === 'half-closed-local') return this.#close(stream);
    stream.state = transition(stream.state, 'receive-end') ?? 'closed';
    stream.receiveEnd();
  }

  #putBlock(stream: HeadStream, block: EncodedBlock, flags: number): void {
    const { outbox, settings } = this.#options;
    const at = beginHeaders(outbox);
    // Says once that our encoder never uses the dynamic table, whatever the peer allows later.
    if (this.#firstBlock) outbox.bytes.append(Uint8Array.of(TABLE_SIZE_ZERO));
    this.#firstBlock = false;
    outbox.bytes.append(block.bytes);
    endHeaders(outbox, at, stream, settings.maxFrameBytes, flags);
  }

  /** A lawful request that gets no further than this. */
  #answerRefused(streamId: number, endStream: boolean, block: RequestBlock): void {
    if (block === TOO_LARGE) this.#options.edge.onAbuse('header-list-size');
    const head = this.#options.responses.head(block.status, []);
    if (head !== undefined) this.#putBlock({ id: streamId, frameAt: 0, frameTurn: 0 }, head, Flag.endStream);
    if (!endStream) this.#putReset(streamId, ErrorCode.noError);
  }

  /** One stream more than announced (RFC 9113, 5.1.2). */
  #refuse(streamId: number): void {
    this.#options.edge.onAbuse('too-many-streams');
    this.#putReset(streamId, ErrorCode.refusedStream);
    if (this.#options.knowsSettings()) this.#options.resets.count('too-many-streams');
  }

  /** A stream error of the peer's making: ends one call, the connection lives (RFC 9113, 5.4.2). */
  #fault(stream: ServerStream, code: ErrorCode): void {
    this.reset(stream, code);
    this.#drop(stream, 'protocol-error');
    this.#countFault();
  }

  #faultUnopened(streamId: number, code: ErrorCode): void {
    this.#putReset(streamId, code);
    this.#countFault();
  }

  #putReset(streamId: number, code: ErrorCode): void {
    this.#closed.add(streamId, 'by-us');
    putReset(this.#options.outbox, streamId, code);
  }

  #countFault(): void {
    this.#options.edge.onAbuse('protocol-error' satisfies AbuseKind);
    this.#options.resets.count('provoked-reset');
  }

  #close(stream: ServerStream): void {
    const { edge, sending, growth } = this.#options;
    if (!this.#streams.delete(stream.id)) return;
    sending.forget(stream);
    growth.release(stream.receive);
    if (stream.state !== 'half-closed-local') edge.openCalls -= 1;
    stream.state = 'closed';
    if (this.#streams.size === 0) this.#options.onIdle();
  }

  #drop(stream: ServerStream, reason: Cancel): void {
    stream.drop(reason);
    this.#unsettled.watch(stream.context);
  }

  #onStray(streamId: number, name: string): void {
    this.#ids.checkUsed(streamId, name);
    if (answerStray(this.#closed, this.#options.outbox, streamId, name)) this.#countFault();
  }
}
