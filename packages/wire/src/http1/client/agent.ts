import { Agent } from 'node:http';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Clock } from '@bascule/core';
import { reasonOfDialError, toTlsOptions, type LinkTls } from '../../http2/client/dial.ts';
import type { Http1ClientLimits } from './limits.ts';

interface LinkAgentOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly tls: LinkTls | undefined;
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
  /** Of the last TLS connection: the next one need not shake hands anew. */
  #session: Buffer | undefined;

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
  }

  /** Whether a byte of a call can have left on it. */
  isEstablished(socket: Socket): boolean {
    return this.#established.has(socket);
  }

  override createConnection(): Socket {
    const { clock, tls, limits } = this.#options;
    const socket = this.#open();
    this.connections.add(socket);
    const giveUp = (): void => {
      socket.destroy(Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' }));
    };
    let timer = clock.after(limits.connectTimeoutMs, giveUp);
    if (tls !== undefined) {
      socket.on('connect', () => {
        timer.cancel();
        timer = clock.after(limits.tlsTimeoutMs, giveUp);
      });
    }
    socket.on(tls === undefined ? 'connect' : 'secureConnect', () => {
      timer.cancel();
      this.#established.add(socket);
      this.#options.onConnected();
    });
    // Told before node:http hears of it, so that calls get the reason. One that we destroy ourselves has no error.
    socket.on('error', (error) => {
      if (!this.#established.has(socket)) this.#options.onConnectFailed(reasonOfDialError(error));
    });
    socket.on('close', () => {
      timer.cancel();
      this.connections.delete(socket);
      this.#options.onClosed();
    });
    return socket;
  }

  #open(): Socket {
    const { host, port, tls } = this.#options;
    if (tls === undefined) return connectTcp({ host, port, noDelay: true });
    const session = this.#session;
    const socket = connectTls({
      ...toTlsOptions(host, port, tls),
      ALPNProtocols: ['http/1.1'],
      ...(session === undefined ? {} : { session }),
    });
    socket.setNoDelay(true);
    socket.on('session', (ticket) => void (this.#session = ticket));
    return socket;
  }
}
