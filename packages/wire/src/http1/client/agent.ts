import { Agent } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import type { Clock } from '@bascule/core';
import { isLateRefusal, reasonOfDialError } from '../../tls-failure.ts';
import { TlsDialer, type LinkTlsSource } from '../../tls.ts';
import type { Http1ClientLimits } from './limits.ts';

interface LinkAgentOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly tls: LinkTlsSource | undefined;
  readonly maxConnections: number;
  readonly limits: Http1ClientLimits;
  onConnected(): void;
  onConnectFailed(reason: string): void;
  /** A connection is gone. */
  onClosed(): void;
}

/** The connections to one backend: node:http keeps and reuses them, we make them. */
export class LinkAgent extends Agent {
  /** All there are, idle ones too. */
  readonly connections = new Set<Socket>();
  readonly #options: LinkAgentOptions;
  readonly #established = new WeakSet<Socket>();
  readonly #tls: TlsDialer | undefined;

  constructor(options: LinkAgentOptions) {
    const { maxConnections, limits } = options;
    // With `timeout`, node:http heeds the backend's own `keep-alive: timeout` as well, where that is shorter.
    super({
      keepAlive: true,
      maxSockets: maxConnections,
      maxFreeSockets: maxConnections,
      timeout: limits.idleTimeoutMs,
    });
    this.#options = options;
    const { host, port, tls } = options;
    this.#tls = tls && new TlsDialer({ host, port, tls, protocol: 'http/1.1' });
  }

  /** Whether a byte of a call can have left on it. */
  isEstablished(socket: Socket): boolean {
    return this.#established.has(socket);
  }

  override createConnection(): Socket {
    const { clock, host, port, limits } = this.#options;
    const onAgreed = (): void => {
      timer.cancel();
      this.#established.add(socket);
      this.#options.onConnected();
    };
    const socket = this.#tls?.connect({ onAgreed }) ?? connectTcp({ host, port, noDelay: true });
    this.connections.add(socket);
    const giveUp = (): void => {
      socket.destroy(Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' }));
    };
    let timer = clock.after(limits.connectTimeoutMs, giveUp);
    socket.on('connect', () => {
      if (this.#tls === undefined) return onAgreed();
      timer.cancel();
      timer = clock.after(limits.tlsTimeoutMs, giveUp);
    });
    // Told before node:http hears of it, so that calls get the reason. One that we destroy ourselves has no error.
    socket.on('error', (error) => {
      if (isLateRefusal(error)) this.#established.delete(socket);
      if (this.#established.has(socket)) return;
      this.#options.onConnectFailed(reasonOfDialError(error, this.#options, 'http/1.1'));
    });
    socket.on('close', () => {
      timer.cancel();
      this.connections.delete(socket);
      this.#options.onClosed();
    });
    return socket;
  }
}
