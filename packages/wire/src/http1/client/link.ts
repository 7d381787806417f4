import {
  callError,
  Code,
  type Body,
  type Clock,
  type Link,
  type Reply,
  type RequestHead,
  type Timer,
} from '@bascule/core';
import { backoffMs } from '../../http2/client/backoff.ts';
import type { LinkTlsSource } from '../../tls.ts';
import { LinkAgent } from './agent.ts';
import { Http1Call, type CallHost } from './call.ts';
import { DEFAULT_HTTP1_CLIENT_LIMITS, type Http1ClientLimits } from './limits.ts';

export interface Http1LinkOptions {
  /** Name or address of the backend. */
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  /** TLS. Default: none. */
  readonly tls?: LinkTlsSource;
  /** Connections at most; each carries one call at a time. Default 256; at least 1. */
  readonly maxConnections?: number;
  readonly limits?: Partial<Http1ClientLimits>;
}

/**
 * A way to one backend over HTTP/1.1. Connections are opened as calls need them, kept and reused, so it is ready from
 * the start; after a connection that could not be made it is not, for a while that grows, and calls fail `never-sent`
 * at once. Calls beyond the connections wait, bounded. A call that is cancelled, or answered before it was whole, costs
 * its connection.
 */
export function createHttp1Link(options: Http1LinkOptions): Link {
  return new Http1Link(options);
}

/** `running` takes calls, `closing` finishes them, `closed` is the end. */
type LinkState = 'running' | 'closing' | 'closed';

class Http1Link implements Link, CallHost {
  readonly agent: LinkAgent;
  readonly authority: string;
  readonly limits: Http1ClientLimits;
  readonly #clock: Clock;
  readonly #maxConnections: number;
  readonly #calls = new Set<Http1Call>();
  readonly #queue = new Set<Http1Call>();
  readonly #closed = Promise.withResolvers<void>();
  #state: LinkState = 'running';
  #listener: (ready: boolean) => void = () => undefined;
  #ready = true;
  /** Requests that hold a connection or wait for one that is being made. */
  #active = 0;
  #failures = 0;
  #reason = 'the connection to the backend was lost';
  #retry: Timer | undefined;

  constructor(options: Http1LinkOptions) {
    const { host, port, clock, tls, maxConnections = 256 } = options;
    const name = host.includes(':') ? `[${host}]` : host;
    this.authority = port === (tls === undefined ? 80 : 443) ? name : `${name}:${port}`;
    this.limits = { ...DEFAULT_HTTP1_CLIENT_LIMITS, ...options.limits };
    this.#clock = clock;
    this.#maxConnections = maxConnections;
    this.agent = new LinkAgent({
      host,
      port,
      clock,
      tls,
      maxConnections,
      limits: this.limits,
      onConnected: () => this.#onConnected(),
      onConnectFailed: (reason) => this.#onConnectFailed(reason),
      onClosed: () => this.#finishClosing(),
    });
  }

  readonly service = (head: RequestHead, reply: Reply): Body => {
    const call = new Http1Call(this, head, reply);
    const refusal = this.#refusal();
    if (refusal !== undefined) {
      setImmediate(() => call.fail(callError(Code.unavailable, refusal, 'never-sent')));
      return call;
    }
    this.#calls.add(call);
    if (this.#active < this.#maxConnections) this.#start(call);
    else this.#queue.add(call);
    return call;
  };

  isReady(): boolean {
    return this.#ready && this.#state === 'running';
  }

  onReadyChange(listener: (ready: boolean) => void): void {
    this.#listener = listener;
  }

  problem(): string {
    return this.#ready ? '' : this.#reason;
  }

  retry(): void {
    if (this.#state === 'running') this.#setReady(true);
  }

  close(): Promise<void> {
    if (this.#state === 'running') {
      this.#state = 'closing';
      this.#retry?.cancel();
      this.#finishClosing();
    }
    return this.#closed.promise;
  }

  destroy(): void {
    void this.close();
    for (const call of this.#calls) {
      call.fail(callError(Code.unavailable, 'the link was closed', this.#queue.has(call) ? 'never-sent' : 'maybe'));
    }
    this.agent.destroy();
    for (const connection of this.agent.connections) connection.destroy();
  }

  reason(): string {
    return this.#reason;
  }

  onEnded(call: Http1Call): void {
    this.#calls.delete(call);
    this.#queue.delete(call);
    this.#finishClosing();
  }

  onReleased(): void {
    this.#active -= 1;
    const [next] = this.#queue;
    if (next === undefined) return this.#finishClosing();
    this.#queue.delete(next);
    this.#start(next);
  }

  #start(call: Http1Call): void {
    this.#active += 1;
    call.start();
  }

  #refusal(): string | undefined {
    if (this.#state !== 'running') return 'the link is closing';
    if (!this.#ready) return this.#reason;
    const { maxQueuedCalls } = this.limits;
    if (this.#queue.size >= maxQueuedCalls)
      return `${maxQueuedCalls} calls wait for the backend, which is the limit; make fewer at once, or add backends`;
    return undefined;
  }

  #onConnected(): void {
    this.#failures = 0;
    this.#setReady(true);
  }

  /** Many calls may have wanted a connection at once: they are one failure. */
  #onConnectFailed(reason: string): void {
    this.#reason = reason;
    if (this.#state !== 'running' || !this.#ready) return;
    this.#failures += 1;
    this.#retry = this.#clock.after(backoffMs(this.#clock, this.#failures), () => this.#setReady(true));
    this.#setReady(false);
    for (const call of this.#queue) call.fail(callError(Code.unavailable, reason, 'never-sent'));
  }

  #setReady(ready: boolean): void {
    if (ready) this.#retry?.cancel();
    if (ready === this.#ready) return;
    this.#ready = ready;
    if (this.#state === 'running') this.#listener(ready);
  }

  #finishClosing(): void {
    if (this.#state !== 'closing' || this.#calls.size > 0) return;
    this.agent.destroy();
    if (this.agent.connections.size > 0) return;
    this.#state = 'closed';
    this.#closed.resolve();
  }
}
