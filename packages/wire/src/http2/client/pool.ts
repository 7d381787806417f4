import {
  callError,
  Code,
  formatAddress,
  type Body,
  type CallError,
  type Clock,
  type Reply,
  type RequestHead,
  type Timer,
} from '@bascule/core';
import { backoffMs } from './backoff.ts';
import { ClientCall, failLater, type CallCarrier } from './call.ts';
import { ClientConnection } from './connection.ts';
import { TlsDialer, type LinkTlsSource } from '../../tls.ts';
import type { Http2Limits } from '../limits.ts';
import { RequestEncoder } from './request.ts';
import { ResponseBlocks } from './response.ts';

export interface PoolOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: LinkTlsSource | undefined;
  readonly holdsProcess: boolean;
  readonly keepaliveMs: number;
  readonly silenceMs: number;
  readonly clock: Clock;
  readonly maxConnections: number;
  readonly limits: Http2Limits;
  /** Readiness has changed. */
  onReadyChange(ready: boolean): void;
  /** After close or destroy: the last connection is gone. */
  onClosed(): void;
}

/** `running` takes calls, `closing` finishes them, `closed` is the end. */
type PoolState = 'running' | 'closing' | 'closed';

/** A connection that lived this long was a good one even if nobody called. */
const GOOD_LIFE_MS = 10_000;

/**
 * The connections of a link and the calls that wait for one. Opens more when all are at the peer's stream limit
 * (gRFC A105), replaces what leaves, and waits longer and longer for a peer that cannot be reached.
 */
export class Pool implements CallCarrier {
  readonly #options: PoolOptions;
  readonly #requests: RequestEncoder;
  readonly #blocks = new ResponseBlocks();
  readonly #queue = new Set<ClientCall>();
  /** Connections that take calls or are about to, oldest first. */
  #serving: ClientConnection[] = [];
  /** Connections that only finish. */
  readonly #leaving = new Set<ClientConnection>();
  #state: PoolState = 'running';
  #failures = 0;
  /** No further connection beside a living one before this: a peer that refuses a second must not be hammered. */
  #growAtMs = 0;
  #retry: Timer | undefined;
  #sweep: Timer | undefined;
  #ready = false;
  #reason = '';
  #keepaliveMs: number;
  readonly #tls: TlsDialer | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#keepaliveMs = options.keepaliveMs;
    const { host, port, tls } = options;
    this.#tls = tls && new TlsDialer({ host, port, tls, protocol: 'h2' });
    this.#requests = new RequestEncoder(formatAddress(options), options.tls === undefined ? undefined : 'https');
    this.#connect();
  }

  get isReady(): boolean {
    return this.#ready && this.#state === 'running';
  }

  get problem(): string {
    if (this.#ready) return '';
    return this.#serving.some(({ isDoubted }) => isDoubted) ? 'it answers nothing, not even a PING' : this.#reason;
  }

  call(head: RequestHead, reply: Reply): Body {
    const call = new ClientCall(head, reply, this);
    const connection = this.#queue.size === 0 && this.#state === 'running' ? this.#pick() : undefined;
    if (connection === undefined) this.#enqueue(call);
    else connection.open(call);
    return call;
  }

  write(call: ClientCall, bytes: Uint8Array): void {
    call.keep(bytes);
  }

  end(): void {
    // `call.upload` says it; the connection reads that when it takes the call over.
  }

  abandon(call: ClientCall): void {
    this.#queue.delete(call);
    if (this.#state === 'closing') this.#drainIfQuiet();
  }

  granted(): void {
    // `call.receive` holds it until there is a stream.
  }

  /** Connects now where it waits to. */
  retry(): void {
    if (this.#retry === undefined || this.#state !== 'running') return;
    this.#retry.cancel();
    this.#connect();
  }

  close(): void {
    if (this.#state !== 'running') return;
    this.#state = 'closing';
    this.#retry?.cancel();
    this.#drainIfQuiet();
  }

  destroy(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#retry?.cancel();
    this.#failQueue('the link was closed');
    for (const connection of [...this.#serving, ...this.#leaving]) connection.destroy('the link was closed');
    this.#finishClosing();
  }

  #enqueue(call: ClientCall): void {
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      failLater(call, refusal);
      return;
    }
    this.#queue.add(call);
    this.#grow();
  }

  /** Why a new call is not taken, or undefined. */
  #refusal(): CallError | undefined {
    if (this.#state !== 'running') return callError(Code.unavailable, 'the link is closing', 'never-sent');
    if (!this.#ready && (this.#failures > 0 || this.#serving.length === 0)) {
      return callError(Code.unavailable, this.#reason, 'never-sent');
    }
    const { maxQueuedCalls } = this.#options.limits;
    if (this.#queue.size >= maxQueuedCalls) {
      const message = `${maxQueuedCalls} calls wait for the backend, which is the limit; make fewer at once, or add backends`;
      return callError(Code.unavailable, message, 'never-sent');
    }
    return undefined;
  }

  #connect(): void {
    const { host, port, holdsProcess, clock, limits } = this.#options;
    this.#retry = undefined;
    this.#serving.push(
      new ClientConnection({
        host,
        port,
        tls: this.#tls,
        holdsProcess,
        keepaliveMs: this.#keepaliveMs,
        silenceMs: this.#options.silenceMs,
        clock,
        limits,
        requests: this.#requests,
        blocks: this.#blocks,
        onChange: (connection) => this.#onChange(connection),
        onRoom: (connection) => this.#onRoom(connection),
      }),
    );
  }

  #onChange(connection: ClientConnection): void {
    switch (connection.state) {
      case 'open':
        break;
      case 'draining':
      case 'closing':
        this.#onLeaving(connection);
        break;
      case 'closed':
        this.#onLeaving(connection);
        this.#leaving.delete(connection);
        break;
      case 'connecting':
      case 'greeting':
        return;
    }
    this.#updateReady();
    this.#onRoom(connection);
  }

  #onRoom(connection: ClientConnection): void {
    if (this.#queue.size > 0) this.#serveQueue();
    if (connection.openCalls === 0) this.#planSweep();
    if (this.#state === 'closing') this.#drainIfQuiet();
  }

  #onLeaving(connection: ClientConnection): void {
    const index = this.#serving.indexOf(connection);
    if (index < 0) return;
    this.#serving.splice(index, 1);
    this.#leaving.add(connection);
    // Source: gRFC A8, "ENHANCE_YOUR_CALM".
    if (connection.wasCalmed) this.#keepaliveMs *= 2;
    if (this.#state !== 'running') return;
    const livedMs = this.#options.clock.nowMs() - connection.startedMs;
    this.#failures = connection.hasServed || livedMs >= GOOD_LIFE_MS ? 0 : this.#failures + 1;
    this.#reason = connection.reason;
    if (this.#serving.length > 0) {
      if (this.#failures > 0) {
        const { clock } = this.#options;
        this.#growAtMs = clock.nowMs() + backoffMs(clock, this.#failures);
      }
      return;
    }
    this.#replace();
  }

  /** Connects again: at once after a connection that was of use, otherwise with backoff. */
  #replace(): void {
    if (this.#failures === 0) {
      this.#connect();
      return;
    }
    this.#failQueue(this.#reason);
    const delayMs = backoffMs(this.#options.clock, this.#failures);
    this.#retry = this.#options.clock.after(delayMs, () => this.#connect());
  }

  #updateReady(): void {
    const ready = this.#serving.some((connection) => connection.state === 'open' && !connection.isDoubted);
    if (ready === this.#ready) return;
    this.#ready = ready;
    if (this.#state === 'running') this.#options.onReadyChange(ready);
  }

  #serveQueue(): void {
    for (const call of this.#queue) {
      const connection = this.#pick();
      if (connection === undefined) break;
      this.#queue.delete(call);
      connection.open(call);
    }
    if (this.#queue.size > 0) this.#grow();
  }

  /** The oldest with room, so that the others can become idle and go. */
  #pick(): ClientConnection | undefined {
    let doubted: ClientConnection | undefined;
    for (const connection of this.#serving) {
      if (!connection.canOpen()) continue;
      if (!connection.isDoubted) return connection;
      doubted ??= connection;
    }
    return doubted;
  }

  #grow(): void {
    if (this.#serving.length >= this.#options.maxConnections || this.#state !== 'running') return;
    if (this.#failures > 0 && this.#options.clock.nowMs() < this.#growAtMs) return;
    for (const connection of this.#serving) {
      // One that is coming may bring the room; a stalled one has room later.
      if (connection.state !== 'open' || !connection.isFull()) return;
    }
    if (this.#serving.length > 0) this.#connect();
  }

  #planSweep(): void {
    if (this.#sweep !== undefined || this.#serving.length < 2 || this.#state !== 'running') return;
    const { clock, limits } = this.#options;
    this.#sweep = clock.after(limits.surplusIdleMs, () => {
      this.#sweep = undefined;
      const beforeMs = clock.nowMs() - limits.surplusIdleMs;
      for (const connection of this.#serving.slice(1)) {
        if (connection.openCalls === 0 && connection.idleSinceMs <= beforeMs) connection.drain();
      }
      this.#planSweep();
    });
  }

  #failQueue(message: string): void {
    const calls = [...this.#queue];
    this.#queue.clear();
    for (const call of calls) call.fail(callError(Code.unavailable, message, 'never-sent'));
  }

  /** While closing: calls that wait are still served, then connections finish. */
  #drainIfQuiet(): void {
    if (this.#queue.size === 0 || !this.#ready) {
      this.#failQueue('the link is closing');
      for (const connection of this.#serving.slice()) connection.drain();
    }
    this.#finishClosing();
  }

  #finishClosing(): void {
    if (this.#state !== 'closing' || this.#serving.length > 0 || this.#leaving.size > 0) return;
    this.#state = 'closed';
    this.#sweep?.cancel();
    this.#options.onClosed();
  }
}
