import type { Socket } from 'node:net';
import { failLater, warn, type ClientCall } from './call.ts';
import type { ConnectionOptions } from './connection-options.ts';
import { dial } from './dial.ts';
import { reasonOfEarlyEnd, reasonOfEarlyError } from '../../tls-failure.ts';
import { putGoaway, putPingAck, putSettingsAck } from '../control.ts';
import { ConnectionFault, ErrorCode, errorName } from '../errors.ts';
import { widenSendWindow } from '../flow.ts';
import type { FrameHandler, FrameRouter } from '../frame-router.ts';
import { DEFAULT_MAX_FRAME_BYTES, Flag, FrameReader, type Frame } from '../frames.ts';
import { putGreeting } from '../greeting.ts';
import type { HpackDecoder } from '../hpack/decoder.ts';
import { endConnection, Outbox, type OutboxHooks } from '../outbox.ts';
import { RequestHeads } from './heads.ts';
import { Floods } from './floods.ts';
import { Liveness } from './liveness.ts';
import { PhaseTimer } from './phase-timer.ts';
import { createDecoder, createRouter } from './reading.ts';
import { parseResponseBlock } from './response.ts';
import { Receiving } from '../receiving.ts';
import { WindowGrowth } from '../window-growth.ts';
import { Sending } from '../sending.ts';
import { applySettings, createPeerSettings, type PeerSettings } from '../settings.ts';
import { ClientStreams } from './streams.ts';

/**
 * `connecting` TCP is under way, `greeting` waits for the peer's SETTINGS, `open` takes calls, `draining` runs its calls
 * to their end, `closing` has said GOAWAY and waits for the socket, `closed` is the end.
 */
export type ConnectionState = 'connecting' | 'greeting' | 'open' | 'draining' | 'closing' | 'closed';

/** How long a peer may take to read our GOAWAY and close, in milliseconds. */
const LINGER_MS = 1000;

/** One connection in the client role. */
export class ClientConnection implements FrameHandler, OutboxHooks {
  readonly startedMs: number;
  /** Since when no call is open; meaningful while there is none. */
  idleSinceMs: number;
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #streams: ClientStreams;
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #settings: PeerSettings = createPeerSettings();
  readonly #reader: FrameReader;
  readonly #router: FrameRouter;
  readonly #decoder: HpackDecoder;
  readonly #liveness: Liveness;
  readonly #growth: WindowGrowth;
  readonly #floods: Floods;
  readonly #phase: PhaseTimer;
  #state: ConnectionState = 'connecting';
  #isAcknowledged = false;
  #connectedMs = 0;
  #goawayId = Infinity;
  #hasServed = false;
  #wasCalmed = false;
  #reason = 'the connection to the backend was lost';

  constructor(options: ConnectionOptions) {
    const { clock, limits } = (this.#options = options);
    this.#phase = new PhaseTimer(clock);
    this.startedMs = clock.nowMs();
    this.idleSinceMs = this.startedMs;
    this.#floods = new Floods(clock, limits);
    this.#growth = new WindowGrowth(clock, limits.maxStreamWindowBytes, limits.connectionWindowBytes);
    this.#decoder = createDecoder(limits);
    this.#router = createRouter(this, limits);
    this.#reader = new FrameReader(DEFAULT_MAX_FRAME_BYTES, (frame) => {
      this.#router.route(frame);
      return this.#isReading();
    });
    this.#socket = this.#connect();
    this.#outbox = new Outbox(this.#socket, this, limits.maxOutboundBytes);
    this.#sending = new Sending(this.#outbox, this.#settings);
    this.#receiving = new Receiving(this.#outbox, limits.connectionWindowBytes);
    this.#liveness = new Liveness(clock, this.#outbox, {
      keepaliveMs: options.keepaliveMs,
      silenceMs: options.silenceMs,
      onDead: (reason) => this.destroy(reason),
      onDoubt: () => this.#onDoubt(),
      onTrust: () => this.#options.onChange(this),
    });
    this.#streams = new ClientStreams({
      outbox: this.#outbox,
      sending: this.#sending,
      receiving: this.#receiving,
      growth: this.#growth,
      heads: new RequestHeads(this.#outbox, this.#settings, options.requests),
      heldWork: this.#liveness.heldWork,
      limits,
      onEnded: () => this.#onStreamEnded(),
    });
    this.#setTimer(limits.connectTimeoutMs, 'the backend did not take the connection in time');
    putGreeting(this.#outbox, limits);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why it closed, for the error of calls that cannot be sent. */
  get reason(): string {
    return this.#reason;
  }

  /** Whether the peer went with ENHANCE_YOUR_CALM. */
  get wasCalmed(): boolean {
    return this.#wasCalmed;
  }

  /** Whether it seems to stand still. */
  get isDoubted(): boolean {
    return this.#liveness.isDoubted;
  }

  get openCalls(): number {
    return this.#streams.size;
  }

  /** Whether it has taken a call to answer it: a peer that only accepts and closes gets a backoff. */
  get hasServed(): boolean {
    return this.#hasServed || this.#streams.answered > 0;
  }

  /** At the peer's SETTINGS_MAX_CONCURRENT_STREAMS. */
  isFull(): boolean {
    return this.#streams.size >= this.#settings.maxConcurrentStreams;
  }

  canOpen(): boolean {
    return this.#state === 'open' && !this.isFull() && !this.#outbox.stalled;
  }

  /** Sends a call's HEADERS. Only while {@link canOpen}. */
  open(call: ClientCall): void {
    const refusal = this.#streams.open(call, this.#settings.initialWindowBytes);
    if (refusal !== undefined) return failLater(call, refusal);
    this.#liveness.begin();
    if (!this.#streams.hasIds()) this.drain();
  }

  /** Takes no new calls, and closes after the last one. */
  drain(): void {
    if (this.#state === 'connecting' || this.#state === 'greeting') return this.destroy('the link was closed');
    if (this.#state !== 'open' && this.#state !== 'draining') return;
    this.#changeTo('draining');
    this.#closeIfDone();
  }

  /** Ends open calls and closes at once. */
  destroy(reason: string): void {
    if (this.#state === 'closed') return;
    this.#reason = reason;
    this.#socket.destroy();
    this.#onLost();
  }

  onFlush(): boolean {
    this.#receiving.announce();
    const hasMore = this.#sending.pump();
    if (this.#isReading()) this.#liveness.heldWork.ask();
    this.#streams.cutWithdrawn();
    return hasMore;
  }

  onFlushed(): void {
    this.#guarded(() => this.#sending.grant());
  }

  onDrain(): void {
    this.#options.onRoom(this);
  }

  onOverflow(): void {
    this.destroy('the backend does not read what it is sent');
  }

  onHeaders(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const { blocks, limits } = this.#options;
    this.#liveness.onCallFrame();
    const block =
      limits.headerTableBytes === 0
        ? blocks.read(this.#decoder, bytes, start, end)
        : parseResponseBlock(this.#decoder.decode(bytes, start, end));
    this.#streams.onBlock(streamId, endStream, block);
  }

  onData(frame: Frame, flowBytes: number): void {
    this.#liveness.onCallFrame();
    this.#streams.onData(frame, flowBytes);
  }

  onPriority(): void {}

  onReset(streamId: number, code: number): void {
    this.#streams.onReset(streamId, code);
  }

  onSettings(frame: Frame): void {
    this.#floods.settings();
    if ((frame.flags & Flag.ack) !== 0) return this.#onAcknowledged();
    const before = this.#settings.initialWindowBytes;
    applySettings(this.#settings, frame, true);
    const difference = this.#settings.initialWindowBytes - before;
    if (difference !== 0) this.#streams.shiftWindows(difference);
    putSettingsAck(this.#outbox);
    if (this.#state === 'greeting') this.#changeTo('open');
    else this.#options.onRoom(this);
  }

  onPing(frame: Frame): void {
    if (this.#liveness.onPing(frame)) return;
    this.#floods.ping(this.#outbox.callFrames);
    if ((frame.flags & Flag.ack) === 0) putPingAck(this.#outbox, frame.bytes.subarray(frame.start, frame.end));
  }

  onGoaway(lastStreamId: number, code: number): void {
    if (lastStreamId > this.#goawayId) {
      throw new ConnectionFault(ErrorCode.protocolError, 'GOAWAY with a higher stream than before');
    }
    this.#goawayId = lastStreamId;
    this.#reason = `the backend closed the connection with ${errorName(code)}`;
    this.#hasServed ||= code === ErrorCode.noError && this.#streams.hasUpTo(lastStreamId);
    this.#wasCalmed ||= code === ErrorCode.enhanceYourCalm;
    this.#liveness.rest();
    this.#changeTo('draining');
    this.#streams.refuseAbove(lastStreamId);
    this.#closeIfDone();
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (streamId !== 0) return this.#streams.onWindowUpdate(streamId, increment);
    if (increment === 0) throw new ConnectionFault(ErrorCode.protocolError, 'WINDOW_UPDATE of 0');
    if (!widenSendWindow(this.#sending.window, increment)) {
      throw new ConnectionFault(ErrorCode.flowControlError, 'WINDOW_UPDATE overflows the connection window');
    }
    this.#outbox.schedule();
  }

  #connect(): Socket {
    const { limits } = this.#options;
    const socket = dial({
      ...this.#options,
      onHandshake: () => this.#setTimer(limits.settingsTimeoutMs, 'the backend did not speak TLS in time'),
      onConnect: () => this.#onConnect(),
      onBytes: (bytes, length) => {
        this.#liveness.heard();
        this.#guarded(() => this.#reader.read(bytes, length));
      },
    });
    socket.on('error', (error) => {
      this.#reason = reasonOfEarlyError(this.#state, error, this.#options) ?? this.#reason;
    });
    if (!this.#options.holdsProcess) socket.unref();
    // Nothing more can come: open calls need not wait for the socket's own end.
    socket.on('end', () => this.destroy(reasonOfEarlyEnd(this.#state, this.#options.tls) ?? this.#reason));
    socket.on('close', () => this.#onLost());
    return socket;
  }

  #onConnect(): void {
    if (this.#state !== 'connecting') return;
    const { clock, limits } = this.#options;
    this.#connectedMs = clock.nowMs();
    this.#setTimer(limits.settingsTimeoutMs, 'the backend did not speak HTTP/2 in time');
    this.#changeTo('greeting');
  }

  #onAcknowledged(): void {
    if (this.#isAcknowledged) return;
    this.#isAcknowledged = true;
    this.#growth.measured(this.#options.clock.nowMs() - this.#connectedMs);
    this.#phase.clear();
  }

  #onDoubt(): void {
    // First, so that others are chosen for the calls that go on elsewhere.
    this.#options.onChange(this);
    this.#guarded(() => this.#streams.giveUpMovable());
  }

  #isReading(): boolean {
    return this.#state !== 'closed' && this.#state !== 'closing';
  }

  #changeTo(state: ConnectionState): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    if (state === 'open') this.#awaitAcknowledgement();
    if (state === 'closing') this.#liveness.rest();
    this.#options.onChange(this);
  }

  #awaitAcknowledgement(): void {
    const { settingsAckTimeoutMs } = this.#options.limits;
    const message = `the backend did not acknowledge SETTINGS within ${settingsAckTimeoutMs} ms`;
    this.#phase.set(settingsAckTimeoutMs, () => {
      this.#onFault(new ConnectionFault(ErrorCode.settingsTimeout, message));
    });
  }

  #onStreamEnded(): void {
    if (this.#streams.size === 0) {
      this.idleSinceMs = this.#options.clock.nowMs();
      this.#liveness.rest();
    }
    if (this.#state === 'draining') this.#closeIfDone();
    else this.#options.onRoom(this);
  }

  #closeIfDone(): void {
    if (this.#state === 'draining' && this.#streams.size === 0) this.#sayGoodbye(ErrorCode.noError);
  }

  /** GOAWAY, then the end of the socket; a peer that does not react is cut off. */
  #sayGoodbye(code: ErrorCode): void {
    if (!this.#isReading()) return;
    const wasConnecting = this.#state === 'connecting';
    this.#changeTo('closing');
    if (wasConnecting) return this.destroy(this.#reason);
    putGoaway(this.#outbox, 0, code);
    endConnection(this.#outbox, this.#socket);
    this.#setTimer(LINGER_MS, this.#reason);
  }

  /** Runs what hangs on the peer's bytes: no fault of a peer, or of a caller's reply, leaves this connection. */
  #guarded(run: () => void): void {
    if (!this.#isReading()) return;
    try {
      run();
    } catch (error) {
      this.#onFault(error);
    }
  }

  #onFault(error: unknown): void {
    const isPeers = error instanceof ConnectionFault;
    if (!isPeers) warn(error);
    this.#reason = `the connection to the backend was closed${isPeers ? `: ${error.message}` : ' after an internal error'}`;
    this.#sayGoodbye(isPeers ? error.code : ErrorCode.internalError);
    this.#streams.failAll(this.#reason);
  }

  #onLost(): void {
    if (this.#state === 'closed') return;
    this.#phase.clear();
    this.#outbox.shut();
    this.#changeTo('closed');
    this.#streams.failAll(this.#reason);
    this.#liveness.end();
  }

  #setTimer(delayMs: number, reason: string): void {
    this.#phase.set(delayMs, () => this.destroy(reason));
  }
}
