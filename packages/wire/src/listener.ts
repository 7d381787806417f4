import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock, Service } from '@bascule/core';
import { serveHttp1, toHttp1Options } from './http1/server.ts';
import { createHttp2Edge } from './http2/server/edge.ts';
import type { AbuseKind } from './listener/abuse.ts';
import { createEdge, type Edge } from './listener/edge.ts';
import { DEFAULT_LISTEN_LIMITS, type ListenLimits } from './listener/limits.ts';
import { sniff } from './listener/sniff.ts';
import { createWebSocketEdge, type WebSocketOptions } from './websocket/edge.ts';

export interface ListenOptions {
  /** Address to listen on, as in "127.0.0.1" or "::". */
  readonly host: string;
  /** 0 takes a free one, told in {@link Listener.port}. */
  readonly port: number;
  readonly service: Service;
  readonly clock: Clock;
  /** Lets several threads or processes listen on the same port. Default false. */
  readonly reusePort?: boolean;
  readonly limits?: Partial<ListenLimits>;
  /** PEM texts. With them the port speaks TLS only and the protocol is agreed by ALPN. */
  readonly tls?: ListenTls;
  /** Takes calls over WebSockets as well, see docs/websocket.md. Default: no sockets; who asks for one gets a plain answer. */
  readonly webSocket?: WebSocketOptions | undefined;
  /** Hears of each thing a peer was disconnected or refused for. Default: nobody. */
  onAbuse?(kind: AbuseKind): void;
}

/** PEM texts. */
export interface ListenTls {
  readonly cert: string;
  readonly key: string;
  /** Authorities of which callers must show a certificate. Undefined: callers need none. */
  readonly clientCa?: string | undefined;
  /**
   * Whether callers without such a certificate are turned away. If not, the service has to look at `peerCertificate` of
   * a call. Default true.
   */
  readonly clientCertificateRequired?: boolean | undefined;
}

export interface Listener {
  readonly port: number;
  /** Calls that have not ended yet. */
  openCalls(): number;
  /**
   * Accepts no more, closes idle connections, lets open calls finish, cuts what is left after `graceMs`. Resolves when
   * all connections are closed. A second call may only bring the cut forward.
   */
  close(graceMs: number): Promise<void>;
}

/** Nobody listens: why, and what to do. */
export class ListenError extends Error {
  readonly code: string;
  readonly host: string;
  readonly port: number;

  constructor(cause: NodeJS.ErrnoException, host: string, port: number) {
    super(toAdvice(cause, host, port), { cause });
    this.name = 'ListenError';
    this.code = cause.code ?? 'UNKNOWN';
    this.host = host;
    this.port = port;
  }
}

/** Serves HTTP/1.1 and HTTP/2 (by prior knowledge, or by ALPN with TLS) on one port. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { service, clock, tls } = options;
  const limits = { ...DEFAULT_LISTEN_LIMITS, ...options.limits };
  const edge = createEdge({
    service,
    clock,
    limits,
    scheme: tls === undefined ? 'http' : 'https',
    connect: options.webSocket && ((protocol, head, reply) => webSocket?.connect(protocol, head, reply)),
    onAbuse: (kind) => options.onAbuse?.(kind),
  });
  const sockets = new Set<Socket>();
  const fresh = new Set<Socket>();
  const http2 = createHttp2Edge(edge);
  const webSocket = options.webSocket === undefined ? undefined : createWebSocketEdge(edge, options.webSocket);
  const server = tls === undefined ? createPlainServer() : createTlsServer(tls);
  serveHttp1(server, edge, webSocket);
  server.maxConnections = limits.maxConnections;
  server.prependListener('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await bind(server, options);
  server.on('error', ignore);
  return {
    port: (server.address() as AddressInfo).port,
    openCalls: () => edge.openCalls,
    close: createClose({
      edge,
      server,
      sockets,
      fresh,
      drain() {
        http2.drain();
        webSocket?.drain();
      },
    }),
  };

  function createPlainServer(): Server {
    const server = createHttpServer(toHttp1Options(limits, webSocket));
    const http1 = takeOver(server, 'connection');
    server.on('connection', (socket: Socket) => {
      fresh.add(socket);
      sniff(socket, {
        clock,
        timeoutMs: limits.prefaceTimeoutMs,
        http1,
        http2: (accepted, seen) => http2.accept(accepted, seen),
        refused: (kind) => edge.onAbuse(kind),
        left: () => fresh.delete(socket),
      });
    });
    return server;
  }

  function createTlsServer({ cert, key, clientCa, clientCertificateRequired = true }: ListenTls): Server {
    const ALPNProtocols = ['h2', 'http/1.1'];
    const handshakeTimeout = limits.headersTimeoutMs;
    const rejectUnauthorized = clientCertificateRequired;
    const clients = clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized };
    const server = createHttpsServer({
      ...toHttp1Options(limits, webSocket),
      ...clients,
      cert,
      key,
      minVersion: 'TLSv1.2',
      ALPNProtocols,
      handshakeTimeout,
    });
    const http1 = takeOver(server, 'secureConnection');
    server.on('secureConnection', (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') http2.accept(socket);
      else http1(socket);
    });
    return server;
  }
}

/**
 * Takes node's own HTTP/1.1 start out of the event, to be called for those connections that speak it. The server that
 * listens stays an http.Server, so its timeouts and its count of connections work as documented.
 */
function takeOver(server: Server, event: 'connection' | 'secureConnection'): (socket: Socket) => void {
  const starts = server.listeners(event);
  server.removeAllListeners(event);
  return (socket) => {
    for (const start of starts) start.call(server, socket);
  };
}

function bind(server: Server, { host, port, reusePort = false }: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => reject(new ListenError(error, host, port));
    server.once('error', onError);
    server.listen({ host, port, reusePort, backlog: 1024 }, () => {
      server.off('error', onError);
      resolve();
    });
  });
}

interface Closing {
  readonly edge: Edge;
  readonly server: Server;
  /** Every open connection. */
  readonly sockets: ReadonlySet<Socket>;
  /** Those that have not sent enough yet to be of a protocol. */
  readonly fresh: ReadonlySet<Socket>;
  /** Tells connections that carry many calls that they go. */
  readonly drain: () => void;
}

function createClose({ edge, server, sockets, fresh, drain }: Closing): (graceMs: number) => Promise<void> {
  let closed: Promise<void> | undefined;

  async function start(): Promise<void> {
    // Connections the kernel has accepted for us get a reset when the socket closes: two turns take them in.
    await nextTurn();
    await nextTurn();
    edge.isDraining = true;
    const done = new Promise<void>((resolve) => void server.close(() => resolve()));
    for (const socket of fresh) socket.destroy();
    drain();
    server.closeIdleConnections();
    await done;
    // The calls of a connection learn of its end a turn or two after the server does.
    for (let turns = 0; edge.openCalls > 0 && turns < 100; turns++) await nextTurn();
  }

  return async (graceMs) => {
    closed ??= start();
    const cut = edge.clock.after(graceMs, () => {
      for (const socket of sockets) socket.destroy();
    });
    await closed;
    cut.cancel();
  };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

function toAdvice(cause: NodeJS.ErrnoException, host: string, port: number): string {
  if (cause.code === 'EADDRINUSE')
    return `Port ${port} on ${host} is in use: stop who listens there, or choose another port.`;
  if (cause.code === 'EACCES') return `Port ${port} on ${host} needs rights this process lacks: choose one above 1023.`;
  if (cause.code === 'EADDRNOTAVAIL') return `${host} is no address of this machine: choose one that is.`;
  return `Cannot listen on ${host}, port ${port}: ${cause.message}`;
}

function ignore(): void {}
