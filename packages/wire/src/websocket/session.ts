import type { Duplex } from 'node:stream';
import { callError, Code, createCallContext, NO_FIELDS, whenWorkEnds, type CallError, type Timer } from '@bascule/core';
import type { WebSocket } from 'ws';
import { IdTable } from '../id-table.ts';
import type { AbuseKind } from '../listener/abuse.ts';
import type { Edge } from '../listener/edge.ts';
import { atEndOfTurn, type TurnJob } from '../listener/turn.ts';
import { BurstGuard } from './burst-guard.ts';
import { WebSocketCall, type CallHost } from './call.ts';
import { FrameReader, type FrameTaker, type OpenFrame } from './frame-reader.ts';
import type { FrameWriter } from './frame-writer.ts';
import { CloseCode, MAX_NUMBER } from './frames.ts';
import { Heartbeat } from './heartbeat.ts';
import { Lifetime } from './lifetime.ts';
import type { WebSocketLimits } from './limits.ts';
import { toRequestHead, type SocketFacts } from './open-head.ts';
import { Outlet } from './outlet.ts';

export interface SessionOptions {
  readonly edge: Edge;
  readonly limits: WebSocketLimits;
  readonly webSocket: WebSocket;
  /** What `webSocket` runs on. */
  readonly socket: Duplex;
  readonly facts: SocketFacts;
}

/**
 * - `open`: takes calls
 * - `noticed`: has said that it goes soon; calls that were on their way are taken
 * - `leaving`: has said its last call id; closes when the open calls have ended
 * - `over`: no call is open, and nothing that comes is read
 */
type State = 'open' | 'noticed' | 'leaving' | 'over';

// More than this is sent without waiting for the end of the turn.
const FLUSH_BYTES = 32_768;

/** What a pong must repeat to say that the notice was read. */
const NOTICE_MARK = Buffer.from('notice');

/**
 * The calls of one WebSocket. Each enters the listener's service as a gRPC request would, with `call.dialect` saying
 * where it came from: so the log, the limits, the check of messages and metadata, and whatever else stands in the way of
 * an HTTP call stand in the way of these, without knowing of sockets.
 */
export class WebSocketSession implements CallHost, FrameTaker, TurnJob {
  readonly writer: FrameWriter;
  private readonly options: SessionOptions;
  private readonly outlet: Outlet;
  private readonly reader: FrameReader;
  private readonly calls = new IdTable<WebSocketCall>();
  private readonly resets: BurstGuard;
  private readonly pings: BurstGuard;
  private readonly heartbeat: Heartbeat;
  private readonly lifetime: Lifetime;
  private state: State = 'open';
  /** Calls that are open, or cancelled with work still going on. */
  private busy = 0;
  /** The highest id seen; while calls are taken it is the highest one taken. */
  private seenId = 0;
  private touched: WebSocketCall[] = [];
  private isGathering = false;
  private notice: Timer | undefined;

  constructor(options: SessionOptions) {
    const { edge, limits, webSocket, socket } = options;
    const { clock } = edge;
    this.options = options;
    this.reader = new FrameReader(this, edge.limits.maxHeaderPairs);
    this.resets = new BurstGuard(clock, edge.limits.resetBurst, edge.limits.resetPerSecond);
    this.pings = new BurstGuard(clock, edge.limits.pingsPerSecond, edge.limits.pingsPerSecond);
    this.outlet = new Outlet({
      clock,
      webSocket,
      socket,
      maxBufferedBytes: limits.maxBufferedBytes,
      stallMs: edge.limits.writeStallMs,
      drained: () => this.drained(),
      stalled: () => {
        this.shut(CloseCode.tryAgainLater, 'nothing was read for too long', 'slow-reader');
        // It would not read the close frame either.
        webSocket.terminate();
      },
    });
    this.writer = this.outlet.writer;
    this.lifetime = new Lifetime({
      clock,
      ageMs: edge.limits.sessionAgeMs,
      idleMs: edge.limits.sessionIdleMs,
      expired: () => this.leave(),
    });
    this.heartbeat = new Heartbeat({
      clock,
      limits,
      webSocket,
      socket,
      isBehind: () => this.outlet.isBehind(),
      lost: () => webSocket.terminate(),
    });
    this.listen(webSocket);
  }

  /** Says that it goes, lets what is on its way and what is open end, then closes. */
  leave(): void {
    if (this.state !== 'open') return;
    const { edge, limits, webSocket } = this.options;
    this.state = 'noticed';
    this.writer.goAway(MAX_NUMBER);
    this.outlet.flush();
    // Behind the notice in order: its answer says that calls which come later know of it.
    webSocket.ping(NOTICE_MARK);
    this.notice = edge.clock.after(limits.noticeTimeoutMs, () => this.sayLast());
  }

  open(frame: OpenFrame): boolean {
    if (frame.id <= this.seenId) return this.breakOff('a call id is not above the one before');
    this.seenId = frame.id;
    // Its caller has read, or will, that it is above the last one.
    if (this.state === 'leaving') return true;
    const { edge, facts } = this.options;
    const { limits } = edge;
    if (this.busy >= limits.maxStreams) {
      edge.onAbuse('too-many-streams');
      const message = `${limits.maxStreams} calls are open on this socket, which is the limit; wait for one to end`;
      return this.refuse(frame.id, callError(Code.resourceExhausted, message, 'never-sent'));
    }
    const context = createCallContext(edge.nextCallId(), edge.clock.nowMs(), facts.peer);
    context.httpVersion = facts.httpVersion;
    context.dialect = 'websocket';
    const head = toRequestHead(frame, context, { facts, limits });
    if ('code' in head) return this.refuse(frame.id, head);
    const call = new WebSocketCall(frame.id, context, this);
    this.calls.set(frame.id, call);
    this.busy += 1;
    edge.openCalls += 1;
    this.lifetime.setBusy();
    call.start(edge.service, head);
    return true;
  }

  data(id: number, bytes: Uint8Array): boolean {
    const call = this.calls.get(id);
    if (call === undefined) return this.isPast(id);
    if (call.take(bytes)) return true;
    return this.shut(CloseCode.policyViolation, 'DATA without room for it, or after END', 'window-overflow');
  }

  end(id: number): boolean {
    const call = this.calls.get(id);
    if (call === undefined) return this.isPast(id);
    return call.takeEnd() || this.breakOff('a second END');
  }

  grant(id: number, bytes: number): boolean {
    const call = this.calls.get(id);
    if (call === undefined) return this.isPast(id);
    if (call.takeGrant(bytes, MAX_NUMBER)) return true;
    return this.shut(CloseCode.policyViolation, 'more room is granted than a number holds', 'window-overflow');
  }

  cancel(id: number): boolean {
    const call = this.calls.get(id);
    if (call === undefined) return this.isPast(id);
    call.cancel();
    return this.countReset();
  }

  touch(call: WebSocketCall): void {
    if (!call.isTouched) {
      call.isTouched = true;
      this.touched.push(call);
    }
    if (this.writer.length >= FLUSH_BYTES) this.outlet.flush();
    this.gather();
  }

  ended(call: WebSocketCall): void {
    this.calls.delete(call.id);
    this.options.edge.openCalls -= 1;
    // Not before: who opens and cancels would get more work done at once than calls may be open.
    if (call.context.work === 0) this.release();
    else whenWorkEnds(call.context, () => this.release());
    this.gather();
  }

  /** Called by the turn queue. */
  endTurn(): void {
    this.isGathering = false;
    const due = this.touched;
    this.touched = [];
    for (const call of due) {
      call.isTouched = false;
      call.tellRoom();
    }
    if (this.state === 'over') return this.outlet.close();
    this.outlet.flush();
    if (!this.outlet.isBehind()) for (const call of due) call.topUp();
    if (this.state === 'leaving' && this.calls.size === 0) this.shut(CloseCode.goingAway, 'no call is left');
  }

  private listen(webSocket: WebSocket): void {
    webSocket.on('message', (data: Buffer, isBinary: boolean) => this.takeMessage(data, isBinary));
    webSocket.on('ping', () => {
      if (!this.pings.allow()) this.shut(CloseCode.policyViolation, 'too many pings', 'ping-flood');
    });
    webSocket.on('pong', (data: Buffer) => {
      if (NOTICE_MARK.equals(data)) this.sayLast();
    });
    webSocket.on('error', (error: NodeJS.ErrnoException) => {
      // Broken WebSocket frames; it has sent the code for it by itself. Other errors are those of a lost connection.
      if (error.code?.startsWith('WS_ERR_') === true) this.options.edge.onAbuse('protocol-error');
      this.finish();
    });
    webSocket.on('close', () => this.finish());
  }

  private takeMessage(data: Buffer, isBinary: boolean): void {
    if (this.state === 'over') return;
    if (!isBinary) this.shut(CloseCode.unsupportedData, 'frames come in binary messages', 'protocol-error');
    else if (!this.reader.read(data)) this.breakOff('a message that does not hold whole frames');
  }

  /** A frame for a call that has ended meanwhile says nothing; one for a call that never began is a mistake. */
  private isPast(id: number): boolean {
    return id <= this.seenId || this.breakOff('a frame of a call that was not opened');
  }

  private refuse(id: number, { code, message }: CallError): boolean {
    this.writer.trailers(id, code, message, undefined, NO_FIELDS);
    this.gather();
    return this.countReset();
  }

  private countReset(): boolean {
    return (
      this.resets.allow() || this.shut(CloseCode.policyViolation, 'too many calls cancelled or refused', 'rapid-reset')
    );
  }

  private breakOff(reason: string): false {
    return this.shut(CloseCode.protocolError, reason, 'protocol-error');
  }

  private sayLast(): void {
    if (this.state !== 'noticed') return;
    this.state = 'leaving';
    this.writer.goAway(this.seenId);
    this.gather();
  }

  private drained(): void {
    for (const call of this.calls.values()) call.topUp();
  }

  private release(): void {
    this.busy -= 1;
    if (this.busy === 0) this.lifetime.setIdle();
  }

  private gather(): void {
    if (this.isGathering) return;
    this.isGathering = true;
    atEndOfTurn(this);
  }

  /** Closes and says why. False, as what takes frames answers that reads no more. */
  private shut(code: number, reason: string, kind?: AbuseKind): false {
    if (this.state === 'over') return false;
    if (kind !== undefined) this.options.edge.onAbuse(kind);
    this.options.webSocket.close(code, reason);
    this.finish();
    return false;
  }

  private finish(): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.notice?.cancel();
    this.lifetime.stop();
    this.heartbeat.stop();
    this.outlet.close();
    for (const call of this.calls.values()) call.cancel();
  }
}
