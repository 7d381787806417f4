import type { Socket } from 'node:net';
import { peerAddress, type Edge } from '../../listener/edge.ts';
import type { AbuseKind } from '../../listener/abuse.ts';
import { putGoaway, putPingAck, putSettingsAck } from '../control.ts';
import { ConnectionFault, ErrorCode } from '../errors.ts';
import { widenSendWindow } from '../flow.ts';
import { FrameRouter, type FrameHandler } from '../frame-router.ts';
import { CLIENT_PREFACE, DEFAULT_MAX_FRAME_BYTES, Flag, FrameReader, MAX_31_BITS, type Frame } from '../frames.ts';
import { putServerGreeting } from '../greeting.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import { Outbox, type OutboxHooks } from '../outbox.ts';
import { Receiving } from '../receiving.ts';
import { Sending } from '../sending.ts';
import { applySettings, createPeerSettings, type PeerSettings } from '../settings.ts';
import { nextServerState, type ServerEvent, type ServerState } from './connection-state.ts';
import { FloodGuard } from './flood-guard.ts';
import { Pings } from './pings.ts';
import { RequestBlocks, type SharedBlocks } from './request-blocks.ts';
import { ResetGuard } from './reset-guard.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import { ServerStreams } from './streams.ts';
import { Watch } from './watch.ts';
import { WindowGrowth } from './window-growth.ts';

/** What the connections of one listener share. */
export interface ConnectionShare {
  readonly edge: Edge;
  readonly blocks: SharedBlocks;
  readonly responses: ResponseEncoder;
  onClosed(connection: ServerConnection): void;
}

/** Why a connection is closed without anybody's fault; told as debug data of GOAWAY. */
export type ShutdownReason = 'drain' | 'max_age' | 'max_idle';

/** How long a peer may take to read our last GOAWAY and close, in milliseconds. */
const LINGER_MS = 1_000;
/** How long a notice may stay without its PING's answer before the last GOAWAY, in milliseconds. */
const NOTICE_MS = 5_000;
/** How long the rest of a request may take after its answer, before the caller is told to stop, in milliseconds. */
const STOP_UPLOAD_MS = 100;
/** Between the first two probes of a client that has closed its side; later ones wait ten times as long, up to a minute. */
const FIRST_PROBE_MS = 100;
const MAX_PROBE_MS = 60_000;
/** Answers to floods that may wait for a peer that does not read. */
const MAX_UNREAD_ANSWERS = 1_000;
/** A header block may be this many times larger on the wire than its limit, to be read to its end and refused. */
const BLOCK_SLACK = 4;
const DEFAULT_TABLE_BYTES = 4_096;

/** One connection in the server role. */
export class ServerConnection implements FrameHandler, OutboxHooks {
  readonly #share: ConnectionShare;
  readonly #socket: Socket;
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
  readonly #pings: Pings;
  readonly #watch: Watch;
  readonly #startedMs: number;
  readonly #agedMs: number;
  #state: ServerState = 'greeting';
  #prefaceBytes = 0;
  /** When the peer acknowledged our SETTINGS; Infinity before. */
  #acknowledgedMs = Infinity;
  #receivedMs: number;
  #idleSinceMs: number;
  #blockSinceMs = Infinity;
  #noticeMs = Infinity;
  #socketStalledMs = Infinity;
  #socketWaitingBytes = 0;
  /** Since when nothing but the peer's end is waited for. */
  #closingMs = Infinity;
  /** Closed without a fault: what waits in the socket still goes out. */
  #isOrderly = false;
  /** When to ask next whether a client that has closed its side is still there to read; Infinity before it has. */
  #probeDueMs = Infinity;
  #probeStepMs = FIRST_PROBE_MS;

  constructor(socket: Socket, share: ConnectionShare) {
    const { edge } = share;
    const { clock, limits } = edge;
    this.#share = share;
    this.#socket = socket;
    this.#startedMs = clock.nowMs();
    this.#receivedMs = this.#startedMs;
    this.#idleSinceMs = this.#startedMs;
    this.#agedMs = this.#startedMs + limits.sessionAgeMs * (0.9 + 0.2 * clock.random());
    this.#floods = new FloodGuard(clock, limits);
    this.#growth = new WindowGrowth(clock, limits.maxStreamWindowBytes, limits.connectionWindowBytes);
    this.#outbox = new Outbox(socket, this, limits.maxSessionBytes);
    this.#sending = new Sending(this.#outbox, this.#settings);
    this.#receiving = new Receiving(this.#outbox, Math.max(65_535, limits.connectionWindowBytes));
    this.#pings = new Pings(this.#outbox);
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
      peer: peerAddress(socket),
      outbox: this.#outbox,
      settings: this.#settings,
      sending: this.#sending,
      receiving: this.#receiving,
      responses: share.responses,
      resets: new ResetGuard(clock, limits),
      floods: this.#floods,
      growth: this.#growth,
      isTaking: () => this.#state === 'open' || this.#state === 'notice',
      knowsSettings: () => this.#acknowledgedMs !== Infinity,
      onWaiting: () => this.#watch.by(clock.nowMs() + limits.writeStallMs),
      onAnsweredEarly: () => this.#watch.by(clock.nowMs() + STOP_UPLOAD_MS),
      onIdle: () => this.#onIdle(),
    });
    this.#watch = new Watch(clock, (nowMs) => this.#check(nowMs));
    this.#watch.by(this.#startedMs + limits.prefaceTimeoutMs);
    this.#listen();
    putServerGreeting(this.#outbox, {
      maxStreams: limits.maxStreams,
      maxHeaderBytes: limits.maxHeaderBytes,
      connectionWindowBytes: limits.connectionWindowBytes,
      takesConnect: edge.connect !== undefined,
    });
  }

  /** Reads what the socket brought. */
  read(bytes: Buffer): void {
    if (!this.#isReading()) return;
    try {
      const rest = this.#prefaceBytes < CLIENT_PREFACE.length ? this.#skipPreface(bytes) : bytes;
      this.#reader.read(rest, rest.length);
    } catch (error) {
      this.#onFault(error);
    }
    this.#receivedMs = this.#share.edge.clock.nowMs();
    this.#watchBlock();
  }

  /** Closes in order, in two steps: streams that cross with the first are served (RFC 9113, 6.8). */
  shutDown(reason: ShutdownReason): void {
    if (this.#state === 'greeting') return this.#sayGoodbye(ErrorCode.noError, reason);
    if (this.#state !== 'open') return;
    this.#change('notice');
    this.#noticeMs = this.#share.edge.clock.nowMs();
    putGoaway(this.#outbox, MAX_31_BITS, ErrorCode.noError, reason);
    this.#pings.send('notice');
    this.#watch.by(this.#noticeMs + NOTICE_MS);
  }

  onFlush(): boolean {
    this.#receiving.announce();
    return this.#sending.pump();
  }

  onFlushed(): void {
    this.#sending.grant();
    if (this.#outbox.stalled) this.#onStalled();
    else if (this.#state === 'draining' && this.#streams.size === 0) this.#sayGoodbye(ErrorCode.noError, '');
  }

  onDrain(): void {
    this.#socketStalledMs = Infinity;
  }

  onOverflow(): void {
    this.#cut('slow-reader');
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
    const socket = this.#socket;
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

  /** One timer looks at everything that may be due. Returns when to look next. */
  #check(nowMs: number): number {
    const { limits } = this.#share.edge;
    if (this.#state === 'closed') return Infinity;
    if (this.#state === 'closing') return this.#checkClosing(nowMs);
    if (this.#state === 'greeting') {
      const dueMs = this.#startedMs + limits.prefaceTimeoutMs;
      return nowMs < dueMs ? dueMs : this.#cut('slow-preface');
    }
    const blockDueMs = this.#blockSinceMs + limits.headersTimeoutMs;
    if (nowMs >= blockDueMs) return this.#blame('slow-head', ErrorCode.enhanceYourCalm);
    const acknowledgeDueMs = this.#acknowledgeDueMs();
    if (nowMs >= acknowledgeDueMs) return this.#blame('settings-unacknowledged', ErrorCode.settingsTimeout);
    const drainDueMs = this.#checkSocket(nowMs);
    const stopDueMs = this.#streams.stopUploads(nowMs - STOP_UPLOAD_MS) + STOP_UPLOAD_MS;
    const stallDueMs = this.#checkStalls(nowMs);
    const lifeDueMs = this.#checkLife(nowMs);
    const aliveDueMs = this.#checkAlive(nowMs);
    return Math.min(blockDueMs, acknowledgeDueMs, drainDueMs, stopDueMs, stallDueMs, lifeDueMs, aliveDueMs);
  }

  /** The last answers may still be on their way to a slow reader; once the system has them all, the peer has to close. */
  #checkClosing(nowMs: number): number {
    const waits = this.#socket.writableLength > 0 && this.#isOrderly;
    if (waits && this.#socketStalledMs === Infinity) this.#noteStall(nowMs);
    if (waits) return this.#checkSocket(nowMs);
    this.#closingMs = Math.min(this.#closingMs, nowMs);
    return nowMs < this.#closingMs + LINGER_MS ? this.#closingMs + LINGER_MS : this.#destroy();
  }

  #acknowledgeDueMs(): number {
    const { settingsAckTimeoutMs } = this.#share.edge.limits;
    if (this.#acknowledgedMs !== Infinity || settingsAckTimeoutMs === 0) return Infinity;
    return this.#startedMs + settingsAckTimeoutMs;
  }

  /** A socket that takes nothing of what waits in it. */
  #checkSocket(nowMs: number): number {
    if (this.#socketStalledMs === Infinity) return Infinity;
    const waiting = this.#socket.writableLength;
    if (waiting < this.#socketWaitingBytes) this.#socketStalledMs = nowMs;
    this.#socketWaitingBytes = waiting;
    const dueMs = this.#socketStalledMs + this.#share.edge.limits.writeStallMs;
    return nowMs < dueMs ? dueMs : this.#cut('slow-reader');
  }

  /** Answers that wait for a window that does not open. */
  #checkStalls(nowMs: number): number {
    if (this.#state === 'closed' || this.#sending.waitingBytes === 0) return Infinity;
    const { writeStallMs } = this.#share.edge.limits;
    return this.#streams.resetStalled(nowMs - writeStallMs) + writeStallMs;
  }

  /** Age, idleness and the steps of closing. */
  #checkLife(nowMs: number): number {
    const { sessionIdleMs } = this.#share.edge.limits;
    if (this.#state === 'notice') {
      const dueMs = this.#noticeMs + NOTICE_MS;
      if (nowMs < dueMs) return dueMs;
      this.#sayLastStream();
    }
    if (this.#state !== 'open') return Infinity;
    const idleDueMs = this.#streams.size === 0 ? this.#idleSinceMs + sessionIdleMs : nowMs + sessionIdleMs;
    if (nowMs >= this.#agedMs) this.shutDown('max_age');
    else if (nowMs >= idleDueMs) this.shutDown('max_idle');
    else return Math.min(this.#agedMs, idleDueMs);
    return this.#noticeMs + NOTICE_MS;
  }

  /** PINGs to a peer that has been silent, until we have said that we close. */
  #checkAlive(nowMs: number): number {
    const { keepaliveMs, keepaliveTimeoutMs } = this.#share.edge.limits;
    if (this.#probeDueMs !== Infinity) return this.#probe(nowMs);
    if (keepaliveMs === 0 || this.#state !== 'open') return Infinity;
    const silentMs = nowMs - this.#receivedMs;
    if (silentMs < keepaliveMs) return this.#receivedMs + keepaliveMs;
    if (this.#pings.sentMs === Infinity) {
      this.#pings.send('keepalive', nowMs);
      return nowMs + keepaliveTimeoutMs;
    }
    const dueMs = this.#pings.sentMs + keepaliveTimeoutMs;
    return nowMs < dueMs ? dueMs : this.#destroy();
  }

  /**
   * A client that has closed its side cannot answer a PING. But where nobody is left, the system answers it with a reset,
   * which shows when the next one is written.
   */
  #probe(nowMs: number): number {
    if (nowMs < this.#probeDueMs) return this.#probeDueMs;
    this.#pings.send('keepalive', nowMs);
    this.#probeDueMs = nowMs + this.#probeStepMs;
    this.#probeStepMs = Math.min(this.#probeStepMs * 10, MAX_PROBE_MS);
    return this.#probeDueMs;
  }

  #onAcknowledged(): void {
    if (this.#acknowledgedMs !== Infinity) return;
    this.#acknowledgedMs = this.#share.edge.clock.nowMs();
    this.#growth.measured(this.#acknowledgedMs - this.#startedMs);
  }

  #onPong(frame: Frame): void {
    this.#floods.pong();
    if (this.#pings.take(frame) === 'notice' && this.#state === 'notice') this.#sayLastStream();
  }

  /** Every stream that was on its way when we gave notice has come. */
  #sayLastStream(): void {
    putGoaway(this.#outbox, this.#streams.lastId, ErrorCode.noError);
    this.#change('last-stream');
    this.#outbox.schedule();
  }

  #onIdle(): void {
    this.#idleSinceMs = this.#share.edge.clock.nowMs();
    if (this.#state === 'draining') this.#outbox.schedule();
  }

  #onStalled(): void {
    if (this.#socketStalledMs !== Infinity || this.#state === 'closing') return;
    const nowMs = this.#share.edge.clock.nowMs();
    this.#noteStall(nowMs);
    this.#watch.by(nowMs + this.#share.edge.limits.writeStallMs);
  }

  #noteStall(nowMs: number): void {
    this.#socketStalledMs = nowMs;
    this.#socketWaitingBytes = this.#socket.writableLength;
  }

  #watchBlock(): void {
    if (!this.#router.isInBlock) {
      this.#blockSinceMs = Infinity;
    } else if (this.#blockSinceMs === Infinity) {
      this.#blockSinceMs = this.#receivedMs;
      this.#watch.by(this.#receivedMs + this.#share.edge.limits.headersTimeoutMs);
    }
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

  #blame(kind: AbuseKind, code: ErrorCode): number {
    this.#onFault(new ConnectionFault(code, kind, kind));
    return this.#share.edge.clock.nowMs() + LINGER_MS;
  }

  /** GOAWAY, then the end of the socket; a peer that does not react is cut off. */
  #sayGoodbye(code: ErrorCode, debug: string): void {
    if (!this.#isReading()) return;
    this.#change('goodbye');
    if (code !== ErrorCode.noError || debug !== '') putGoaway(this.#outbox, this.#streams.lastId, code, debug);
    this.#outbox.flush();
    this.#outbox.shut();
    this.#socket.end();
    this.#isOrderly = code === ErrorCode.noError;
    this.#watch.by(this.#share.edge.clock.nowMs() + LINGER_MS);
  }

  /** The client has closed its side. */
  #onEnd(): void {
    if (!this.#isReading()) return;
    this.#streams.dropUnfinished();
    this.#change('last-stream');
    this.#outbox.schedule();
    if (this.#streams.size === 0) return;
    const nowMs = this.#share.edge.clock.nowMs();
    this.#probeDueMs = nowMs;
    this.#watch.by(this.#probe(nowMs));
  }

  #cut(kind: AbuseKind): number {
    if (this.#state !== 'closed') this.#share.edge.onAbuse(kind);
    return this.#destroy();
  }

  #destroy(): number {
    this.#socket.destroy();
    this.#onLost();
    return Infinity;
  }

  #onLost(): void {
    if (this.#state === 'closed') return;
    this.#change('lost');
    this.#watch.stop();
    this.#outbox.shut();
    this.#streams.dropAll('caller-gone');
    this.#share.onClosed(this);
  }
}

/** :method, :scheme, :path, :authority and :protocol are no fields of the sender's making. */
const PSEUDO_FIELDS = 5;

function ignore(): void {}
