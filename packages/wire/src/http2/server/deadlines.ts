import type { Socket } from 'node:net';
import type { Clock } from '@bascule/core';
import type { AbuseKind } from '../../listener/abuse.ts';
import type { ListenLimits } from '../../listener/limits.ts';
import { ErrorCode } from '../errors.ts';
import type { ServerState } from './connection-state.ts';
import type { Pings } from './pings.ts';
import { Watch } from './watch.ts';

/** Why a connection is closed without anybody's fault; told as debug data of GOAWAY. */
export type ShutdownReason = 'drain' | 'max_age' | 'max_idle';

/** The connection, as its deadlines see it. */
export interface TimedConnection {
  readonly state: ServerState;
  readonly socket: Socket;
  readonly pings: Pings;
  readonly openStreams: number;
  /** Bytes of all answers that wait for a window. */
  readonly waitingBytes: number;
  /** Closed without a fault: what waits in the socket still goes out. */
  readonly isOrderly: boolean;
  /** See `ServerStreams`. Both return since when the next one is to be looked at. */
  resetStalled(beforeMs: number): number;
  stopUploads(beforeMs: number): number;
  /** Gives up memory that a silent connection need not hold. */
  trim(): void;
  shutDown(reason: ShutdownReason): void;
  sayLastStream(): void;
  blame(kind: AbuseKind, code: ErrorCode): void;
  cut(kind: AbuseKind): void;
  destroy(): void;
}

/** How long a peer may take to read our last GOAWAY and close, in milliseconds. */
const LINGER_MS = 1_000;
/** How long a notice may stay without its PING's answer before the last GOAWAY, in milliseconds. */
const NOTICE_MS = 5_000;
/** How long the rest of a request may take after its answer, before the caller is told to stop, in milliseconds. */
const STOP_UPLOAD_MS = 100;
/** Between the first two probes of a client that has closed its side; later ones wait ten times as long, up to a minute. */
const FIRST_PROBE_MS = 100;
const MAX_PROBE_MS = 60_000;

/** What a read has left of a header block or a short frame: `begun` in this read, or `same` as before it. */
export type Unfinished = 'nothing' | 'begun' | 'same';

/** Everything that happens to one connection because time passes. Moments are of the clock, Infinity where nothing is due. */
export class Deadlines {
  readonly #connection: TimedConnection;
  readonly #clock: Clock;
  readonly #limits: ListenLimits;
  readonly #watch: Watch;
  readonly #startedMs: number;
  readonly #agedMs: number;
  #receivedMs: number;
  #idleSinceMs: number;
  #acknowledgedMs = Infinity;
  #blockSinceMs = Infinity;
  #noticeMs = Infinity;
  #closingMs = Infinity;
  #stalledMs = Infinity;
  /** What waited in the socket when it was looked at last. */
  #stalledBytes = 0;
  #probeDueMs = Infinity;
  #probeStepMs = FIRST_PROBE_MS;

  constructor(connection: TimedConnection, clock: Clock, limits: ListenLimits) {
    this.#connection = connection;
    this.#clock = clock;
    this.#limits = limits;
    this.#startedMs = clock.nowMs();
    this.#receivedMs = this.#startedMs;
    this.#idleSinceMs = this.#startedMs;
    // Connections that began together must not all end together.
    this.#agedMs = this.#startedMs + limits.sessionAgeMs * (0.9 + 0.2 * clock.random());
    this.#watch = new Watch(clock, (nowMs) => this.#check(nowMs));
    this.#watch.by(this.#startedMs + limits.prefaceTimeoutMs);
  }

  /** Whether the peer has acknowledged our SETTINGS. */
  get isAcknowledged(): boolean {
    return this.#acknowledgedMs !== Infinity;
  }

  /** Bytes have come, and with them the end of what had begun, the beginning of something, or neither. */
  received(unfinished: Unfinished): void {
    this.#receivedMs = this.#clock.nowMs();
    if (unfinished === 'nothing') {
      this.#blockSinceMs = Infinity;
    } else if (unfinished === 'begun' || this.#blockSinceMs === Infinity) {
      this.#blockSinceMs = this.#receivedMs;
      this.#watch.by(this.#receivedMs + this.#limits.headersTimeoutMs);
    }
  }

  /** Our SETTINGS are acknowledged: the time that took, which is a round trip; undefined if they were before. */
  acknowledged(): number | undefined {
    if (this.isAcknowledged) return undefined;
    this.#acknowledgedMs = this.#clock.nowMs();
    return this.#acknowledgedMs - this.#startedMs;
  }

  /** An answer waits for a window. */
  waiting(): void {
    this.#watch.by(this.#clock.nowMs() + this.#limits.writeStallMs);
  }

  /** The socket holds bytes back. */
  stalled(): void {
    if (this.#stalledMs !== Infinity || this.#connection.state === 'closing') return;
    this.#noteStall(this.#clock.nowMs());
    this.#watch.by(this.#stalledMs + this.#limits.writeStallMs);
  }

  drained(): void {
    this.#stalledMs = Infinity;
  }

  answeredEarly(): void {
    this.#watch.by(this.#clock.nowMs() + STOP_UPLOAD_MS);
  }

  /** No stream is open. */
  idle(): void {
    this.#idleSinceMs = this.#clock.nowMs();
  }

  /** The peer was told that we are about to close. */
  noticed(): void {
    this.#noticeMs = this.#clock.nowMs();
    this.#watch.by(this.#noticeMs + NOTICE_MS);
  }

  /** The client has closed its side, and answers are still on their way. */
  halfClosed(): void {
    this.#probeDueMs = this.#clock.nowMs();
    this.#watch.by(this.#probe(this.#probeDueMs));
  }

  closing(): void {
    this.#watch.by(this.#clock.nowMs() + LINGER_MS);
  }

  stop(): void {
    this.#watch.stop();
  }

  /** Looks at everything that may be due. Returns when to look next. */
  #check(nowMs: number): number {
    const { state } = this.#connection;
    if (state === 'closed') return Infinity;
    if (state === 'closing') return this.#checkClosing(nowMs);
    if (state === 'greeting') return this.#checkGreeting(nowMs);
    const dueMs = Math.min(
      this.#checkStreams(nowMs),
      this.#checkPatience(nowMs),
      this.#checkLife(nowMs),
      this.#checkAlive(nowMs),
      this.#checkSocket(nowMs),
    );
    // One of them may have ended it.
    return this.#connection.state === 'closing' ? nowMs + LINGER_MS : dueMs;
  }

  #checkStreams(nowMs: number): number {
    const { writeStallMs } = this.#limits;
    const stopDueMs = this.#connection.stopUploads(nowMs - STOP_UPLOAD_MS) + STOP_UPLOAD_MS;
    const waits = this.#connection.waitingBytes > 0 && this.#stalledMs === Infinity;
    const waitDueMs = waits ? this.#connection.resetStalled(nowMs - writeStallMs) + writeStallMs : Infinity;
    return Math.min(stopDueMs, waitDueMs);
  }

  #checkGreeting(nowMs: number): number {
    const dueMs = this.#startedMs + this.#limits.prefaceTimeoutMs;
    if (nowMs >= dueMs) this.#connection.cut('slow-preface');
    return dueMs;
  }

  /** What a peer has begun and not ended: a header block, the exchange of SETTINGS. */
  #checkPatience(nowMs: number): number {
    const { headersTimeoutMs, settingsAckTimeoutMs } = this.#limits;
    const blockDueMs = this.#blockSinceMs + headersTimeoutMs;
    const waits = !this.isAcknowledged && settingsAckTimeoutMs > 0;
    const acknowledgeDueMs = waits ? this.#startedMs + settingsAckTimeoutMs : Infinity;
    if (nowMs >= blockDueMs) this.#connection.blame('slow-head', ErrorCode.enhanceYourCalm);
    else if (nowMs >= acknowledgeDueMs) {
      this.#connection.blame('settings-unacknowledged', ErrorCode.settingsTimeout);
    }
    return Math.min(blockDueMs, acknowledgeDueMs);
  }

  /** Age, idleness and the steps of closing. */
  #checkLife(nowMs: number): number {
    const connection = this.#connection;
    if (connection.state === 'open') {
      const idleSinceMs = connection.openStreams === 0 ? this.#idleSinceMs : nowMs;
      const idleDueMs = idleSinceMs + this.#limits.sessionIdleMs;
      if (nowMs < this.#agedMs && nowMs < idleDueMs) return Math.min(this.#agedMs, idleDueMs);
      connection.shutDown(nowMs >= this.#agedMs ? 'max_age' : 'max_idle');
    }
    if (connection.state !== 'notice') return Infinity;
    const noticeDueMs = this.#noticeMs + NOTICE_MS;
    if (nowMs < noticeDueMs) return noticeDueMs;
    connection.sayLastStream();
    return Infinity;
  }

  /** PINGs to a peer that has been silent, until we have said that we close. */
  #checkAlive(nowMs: number): number {
    const { keepaliveMs, keepaliveTimeoutMs } = this.#limits;
    const { state, pings } = this.#connection;
    if (this.#probeDueMs !== Infinity) return this.#probe(nowMs);
    if (keepaliveMs === 0 || state !== 'open') return Infinity;
    if (nowMs - this.#receivedMs < keepaliveMs) return this.#receivedMs + keepaliveMs;
    this.#connection.trim();
    if (pings.sentMs === Infinity) pings.send('keepalive', nowMs);
    const dueMs = pings.sentMs + keepaliveTimeoutMs;
    if (nowMs >= dueMs) this.#connection.destroy();
    return dueMs;
  }

  /**
   * A client that has closed its side cannot answer a PING. But where nobody is left, the system answers it with a reset,
   * which shows when the next one is written.
   */
  #probe(nowMs: number): number {
    if (nowMs < this.#probeDueMs) return this.#probeDueMs;
    this.#connection.pings.send('keepalive', nowMs);
    this.#probeDueMs = nowMs + this.#probeStepMs;
    this.#probeStepMs = Math.min(this.#probeStepMs * 10, MAX_PROBE_MS);
    return this.#probeDueMs;
  }

  /** A socket that takes nothing of what waits in it. */
  #checkSocket(nowMs: number): number {
    if (this.#stalledMs === Infinity) return Infinity;
    if (this.#connection.socket.writableLength < this.#stalledBytes) this.#noteStall(nowMs);
    const dueMs = this.#stalledMs + this.#limits.writeStallMs;
    if (nowMs >= dueMs) this.#connection.cut('slow-reader');
    return dueMs;
  }

  /** The last answers may still be on their way to a slow reader; once the system has them all, the peer has to close. */
  #checkClosing(nowMs: number): number {
    const { socket, isOrderly } = this.#connection;
    if (isOrderly && socket.writableLength > 0) {
      if (this.#stalledMs === Infinity) this.#noteStall(nowMs);
      return this.#checkSocket(nowMs);
    }
    this.#closingMs = Math.min(this.#closingMs, nowMs);
    if (nowMs >= this.#closingMs + LINGER_MS) this.#connection.destroy();
    return this.#closingMs + LINGER_MS;
  }

  #noteStall(nowMs: number): void {
    this.#stalledMs = nowMs;
    this.#stalledBytes = this.#connection.socket.writableLength;
  }
}
