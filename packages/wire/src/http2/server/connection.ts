import type { Socket } from 'node:net';
import { peerOf, type Edge } from '../../listener/edge.ts';
import type { AbuseKind } from '../../listener/abuse.ts';
import { putGoaway, putPingAck, putSettingsAck } from '../control.ts';
import { ConnectionFault, ErrorCode } from '../errors.ts';
import { widenSendWindow } from '../flow.ts';
import { FrameRouter, type FrameHandler } from '../frame-router.ts';
import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_BYTES, Flag, FrameReader, MAX_31_BITS, type Frame } from '../frames.ts';
import { putServerGreeting } from '../greeting.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { endConnection, Outbox, type OutboxHooks } from '../outbox.ts';
import { Receiving } from '../receiving.ts';
import { Sending } from '../sending.ts';
import { applySettings, createPeerSettings, type PeerSettings } from '../settings.ts';
import { nextServerState, type ServerEvent, type ServerState } from './connection-state.ts';
import { Deadlines, type ShutdownReason, type TimedConnection, type Unfinished } from './deadlines.ts';
import { FloodGuard } from './flood-guard.ts';
import { Pings } from './pings.ts';
import { RequestBlocks, type SharedBlocks } from './request-blocks.ts';
import { ResetGuard } from './reset-guard.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import { ServerStreams } from './streams.ts';
import { WindowGrowth } from '../window-growth.ts';

/** What the connections of one listener share. */
export interface ConnectionShare {
  readonly edge: Edge;
  readonly blocks: SharedBlocks;
  readonly responses: ResponseEncoder;
  onClosed(connection: ServerConnection): void;
}

/** Answers to floods that may wait for a peer that does not read. */
const MAX_UNREAD_ANSWERS = 1_000;
/** A header block may be this many times larger on the wire than its limit, to be read to its end and refused. */
const BLOCK_SLACK = 4;
const DEFAULT_TABLE_BYTES = 4_096;

/** One connection in the server role. */
export class ServerConnection implements FrameHandler, OutboxHooks, TimedConnection {
  readonly #share: ConnectionShare;
  readonly socket: Socket;
  readonly pings: Pings;
  readonly #outbox: Outbox;
  readonly #settings: PeerSettings = createPeerSettings();
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #streams: ServerStreams;
  readonly #reader: FrameReader;
  readonly #router: FrameRouter;
  readonly #blocks: RequestBlocks;
  readonly #floods: FloodGuard;
  readonly #growth: WindowGrowth;
  readonly #deadlines: Deadlines;
  #state: ServerState = 'greeting';
  #prefaceBytes = 0;
  #isOrderly = false;

  constructor(socket: Socket, share: ConnectionShare) {
    const { edge } = share;
    const { clock, limits } = edge;
    this.#share = share;
    this.socket = socket;
    this.#floods = new FloodGuard(clock, limits);
    this.#growth = new WindowGrowth(clock, limits.maxStreamWindowBytes, limits.connectionWindowBytes);
    this.#outbox = new Outbox(socket, this, limits.maxSessionBytes);
    this.#sending = new Sending(this.#outbox, this.#settings);
    this.#receiving = new Receiving(this.#outbox, Math.max(65_535, limits.connectionWindowBytes));
    this.pings = new Pings(this.#outbox);
    this.#router = new FrameRouter(this, {
      maxContinuations: limits.maxContinuations,
      maxBlockBytes: BLOCK_SLACK * limits.maxHeaderBytes,
    });
    this.#reader = new FrameReader(DEFAULT_MAX_FRAME_BYTES, (frame) => {
      this.#router.route(frame);
      return this.#isReading();
    });
    const decoder = new HpackDecoder({
      maxTableBytes: DEFAULT_TABLE_BYTES,
      maxListBytes: limits.maxHeaderBytes,
      maxPairs: limits.maxHeaderPairs + PSEUDO_FIELDS,
    });
    this.#blocks = new RequestBlocks(decoder, share.blocks, edge.connect !== undefined);
    this.#streams = new ServerStreams({
      edge,
      ...peerOf(socket),
      outbox: this.#outbox,
      settings: this.#settings,
      sending: this.#sending,
      receiving: this.#receiving,
      responses: share.responses,
      resets: new ResetGuard(clock, limits),
      floods: this.#floods,
      growth: this.#growth,
      isTaking: () => this.#state === 'open' || this.#state === 'notice',
      knowsSettings: () => this.#deadlines.isAcknowledged,
      onWaiting: () => this.#deadlines.waiting(),
      onAnsweredEarly: () => this.#deadlines.answeredEarly(),
      onIdle: () => this.#onIdle(),
    });
    this.#deadlines = new Deadlines(this, clock, limits);
    this.#listen();
    putServerGreeting(this.#outbox, {
      maxStreams: limits.maxStreams,
      maxHeaderBytes: limits.maxHeaderBytes,
      connectionWindowBytes: limits.connectionWindowBytes,
      takesConnect: edge.connect !== undefined,
    });
  }

  get state(): ServerState {
    return this.#state;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  get waitingBytes(): number {
    return this.#sending.waitingBytes;
  }

  get isOrderly(): boolean {
    return this.#isOrderly;
  }

  /** Reads what the socket brought. */
  read(bytes: Buffer): void {
    if (!this.#isReading()) return;
    const before = this.#reader.count;
    try {
      const rest = this.#prefaceBytes < CLIENT_PREFACE.length ? this.#skipPreface(bytes) : bytes;
      this.#reader.read(rest, rest.length);
    } catch (error) {
      this.#onFault(error);
    }
    this.#deadlines.received(this.#unfinished(before));
  }

  #unfinished(framesBefore: number): Unfinished {
    if (this.#router.isInBlock) return 'same';
    if (!this.#reader.isInShortFrame) return 'nothing';
    return this.#reader.count === framesBefore ? 'same' : 'begun';
  }

  /** Closes in order, in two steps: streams that cross with the first are served (RFC 9113, 6.8). */
  shutDown(reason: ShutdownReason): void {
    if (this.#state === 'greeting') return this.#sayGoodbye(ErrorCode.noError, reason);
    if (this.#state !== 'open') return;
    this.#change('notice');
    putGoaway(this.#outbox, MAX_31_BITS, ErrorCode.noError, reason);
    this.pings.send('notice');
    this.#deadlines.noticed();
  }

  /** Every stream that was on its way when we gave notice has come. */
  sayLastStream(): void {
    putGoaway(this.#outbox, this.#streams.lastId, ErrorCode.noError);
    this.#change('last-stream');
    this.#outbox.schedule();
  }

  resetStalled(beforeMs: number): number {
    return this.#streams.resetStalled(beforeMs);
  }

  stopUploads(beforeMs: number): number {
    return this.#streams.stopUploads(beforeMs);
  }

  trim(): void {
    this.#reader.trim();
    this.#blocks.trim();
  }

  /** Ends the connection for a fault that shows in time. */
  blame(kind: AbuseKind, code: ErrorCode): void {
    this.#onFault(new ConnectionFault(code, kind, kind));
  }

  /** Ends the connection without a word, to a peer that would not read it. */
  cut(kind: AbuseKind): void {
    if (this.#state === 'closed') return;
    this.#share.edge.onAbuse(kind);
    this.destroy();
  }

  destroy(): void {
    this.socket.destroy();
    this.#onLost();
  }

  onFlush(): boolean {
    this.#receiving.announce();
    return this.#sending.pump();
  }

  onFlushed(): void {
    this.#sending.grant();
    if (this.#outbox.stalled) this.#deadlines.stalled();
    else if (this.#state === 'draining' && this.#streams.size === 0) this.#sayGoodbye(ErrorCode.noError, '');
  }

  onDrain(): void {
    this.#deadlines.drained();
  }

  onOverflow(): void {
    this.cut('slow-reader');
  }

  onHeaders(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const block = this.#blocks.read(bytes, start, end);
    this.#streams.onBlock(streamId, endStream, block, this.#router.dependsOnItself);
  }

  onData(frame: Frame, flowBytes: number): void {
    this.#streams.onData(frame, flowBytes);
  }

  onPriority(streamId: number, dependsOn: number): void {
    this.#streams.onPriority(streamId, dependsOn);
    this.#checkAnswers();
  }

  onReset(streamId: number): void {
    this.#streams.onReset(streamId);
  }

  onSettings(frame: Frame): void {
    this.#floods.settings();
    if ((frame.flags & Flag.ack) !== 0) return this.#onAcknowledged();
    const before = this.#settings.initialWindowBytes;
    applySettings(this.#settings, frame, false);
    const difference = this.#settings.initialWindowBytes - before;
    if (difference !== 0) this.#streams.shiftWindows(difference);
    putSettingsAck(this.#outbox);
    this.#checkAnswers();
    if (this.#state !== 'greeting') return;
    this.#change('settings');
    if (this.#share.edge.isDraining) this.shutDown('drain');
  }

  onPing(frame: Frame): void {
    if ((frame.flags & Flag.ack) !== 0) return this.#onPong(frame);
    this.#floods.ping(this.#outbox.callFrames);
    putPingAck(this.#outbox, frame.bytes.subarray(frame.start, frame.end));
    this.#checkAnswers();
  }

  /** The client takes no pushes, of which there are none. It closes when it wants to. */
  onGoaway(): void {}

  onWindowUpdate(streamId: number, increment: number): void {
    this.#floods.windowUpdate(this.#outbox.callFrames);
    if (streamId !== 0) return this.#streams.onWindowUpdate(streamId, increment);
    if (increment === 0) throw new ConnectionFault(ErrorCode.protocolError, 'WINDOW_UPDATE of 0');
    if (!widenSendWindow(this.#sending.window, increment)) {
      const message = 'WINDOW_UPDATE overflows the connection window';
      throw new ConnectionFault(ErrorCode.flowControlError, message, 'window-overflow');
    }
    this.#outbox.schedule();
  }

  #listen(): void {
    const socket = this.socket;
    socket.setNoDelay(true);
    // A client may close its side after its last request, and still gets its answers.
    socket.allowHalfOpen = true;
    socket.on('data', (bytes: Buffer) => this.read(bytes));
    socket.on('end', () => this.#onEnd());
    socket.on('error', ignore);
    socket.on('close', () => this.#onLost());
  }

  /** What a client sends first (RFC 9113, 3.4). Returns what came behind it. */
  #skipPreface(bytes: Buffer): Buffer {
    const count = Math.min(bytes.length, CLIENT_PREFACE.length - this.#prefaceBytes);
    if (bytes.compare(CLIENT_PREFACE, this.#prefaceBytes, this.#prefaceBytes + count, 0, count) !== 0) {
      throw new ConnectionFault(ErrorCode.protocolError, 'no HTTP/2 preface');
    }
    this.#prefaceBytes += count;
    return bytes.subarray(count);
  }

  #onAcknowledged(): void {
    const roundTripMs = this.#deadlines.acknowledged();
    if (roundTripMs !== undefined) this.#growth.measured(roundTripMs);
  }

  #onPong(frame: Frame): void {
    this.#floods.pong();
    if (this.pings.take(frame) === 'notice' && this.#state === 'notice') this.sayLastStream();
  }

  #onIdle(): void {
    this.#deadlines.idle();
    if (this.#state === 'draining') this.#outbox.schedule();
  }

  /** A peer that does not read what it makes us say would fill our memory with it. */
  #checkAnswers(): void {
    if (this.#outbox.stalled && this.#outbox.answers > MAX_UNREAD_ANSWERS) {
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, 'too many answers wait to be read', 'unread-answers');
    }
  }

  #isReading(): boolean {
    return this.#state !== 'closed' && this.#state !== 'closing';
  }

  #change(event: ServerEvent): void {
    this.#state = nextServerState(this.#state, event);
  }

  #onFault(error: unknown): void {
    if (error instanceof ConnectionFault) {
      this.#share.edge.onAbuse(error.abuse);
      this.#sayGoodbye(error.code, error.message);
    } else {
      // A bug of ours must be seen, though it may not take the process with it.
      process.emitWarning(error instanceof Error ? error : new Error(String(error)));
      this.#sayGoodbye(ErrorCode.internalError, '');
    }
    this.#streams.dropAll('protocol-error');
  }

  /** GOAWAY, then the end of the socket; a peer that does not react is cut off. */
  #sayGoodbye(code: ErrorCode, debug: string): void {
    if (!this.#isReading()) return;
    this.#change('goodbye');
    if (code !== ErrorCode.noError || debug !== '') putGoaway(this.#outbox, this.#streams.lastId, code, debug);
    this.#isOrderly = code === ErrorCode.noError;
    endConnection(this.#outbox, this.socket);
    this.#deadlines.closing();
  }

  /** The client has closed its side. */
  #onEnd(): void {
    if (!this.#isReading()) return;
    this.#streams.dropUnfinished();
    this.#change('last-stream');
    this.#outbox.schedule();
    if (this.#streams.size === 0) return;
    this.#deadlines.halfClosed();
  }

  #onLost(): void {
    if (this.#state === 'closed') return;
    this.#change('lost');
    this.#deadlines.stop();
    this.#outbox.shut();
    this.#streams.dropAll('caller-gone');
    this.#share.onClosed(this);
  }
}

/** :method, :scheme, :path, :authority and :protocol are no fields of the sender's making. */
const PSEUDO_FIELDS = 5;

function ignore(): void {}
