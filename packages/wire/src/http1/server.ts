import type { IncomingMessage, Server, ServerOptions, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createCallContext } from '@bascule/core';
import { peerCertificate } from '../listener/certificate.ts';
import { peerAddress, type Edge } from '../listener/edge.ts';
import { Exchange } from '../listener/exchange.ts';
import type { ListenLimits } from '../listener/limits.ts';
import type { WebSocketEdge } from '../websocket/edge.ts';
import { LeanRequest } from './lean-request.ts';
import { parseRequestHead, type Refusal } from './request-head.ts';
import { Http1Sink } from './sink.ts';
import { isUpgrade, openWebSocket, refuseUpgrade } from './upgrade.ts';

/**
 * How node:http is to be made. Its own defaults let a slow peer hold a connection for minutes. Without `webSocket` every
 * upgrade is answered like a request that asks for none.
 */
export function toHttp1Options(limits: ListenLimits, webSocket?: WebSocketEdge): ServerOptions<typeof LeanRequest> {
  return {
    IncomingMessage: LeanRequest,
    shouldUpgradeCallback: (request) => webSocket !== undefined && isUpgrade(request, limits, webSocket),
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // Off: it would cut long client streams.
    requestTimeout: 0,
    connectionsCheckingInterval: 2_000,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    // Checked with the rest of the head: node's own answer would let the requests behind it run.
    requireHostHeader: false,
    insecureHTTPParser: false,
    noDelay: true,
  };
}

/** What is known of one connection. */
interface Connection {
  /** The request read last: a parse error belongs to its body if that is not complete. */
  request: IncomingMessage | undefined;
  /** Its answer. */
  response: ServerResponse | undefined;
  openExchanges: number;
  /** Ends each of them for its caller. */
  readonly open: Set<() => void>;
  /** `refused`: what still comes on it is not looked at, for nobody knows where a request begins. */
  state: 'taking' | 'refused';
  /** Sent when the open exchanges have answered. */
  lastWords: string;
}

/** Turns the requests of `server` into calls. */
export function serveHttp1(server: Server, edge: Edge, webSocket?: WebSocketEdge): void {
  // Node cuts the list off silently at this count; one more than allowed lets the head check see it.
  server.maxHeadersCount = edge.limits.maxHeaderPairs + 1;
  const connections = new WeakMap<Duplex, Connection>();

  function connectionOf(socket: Duplex): Connection {
    let connection = connections.get(socket);
    if (connection === undefined) {
      connection = {
        request: undefined,
        response: undefined,
        openExchanges: 0,
        open: new Set(),
        state: 'taking',
        lastWords: '',
      };
      connections.set(socket, connection);
      holdBackClose(socket as Socket, connection);
    }
    return connection;
  }

  function take(request: IncomingMessage, response: ServerResponse): void {
    const connection = connectionOf(request.socket);
    if (connection.state === 'refused') return;
    connection.request = request;
    const parsed = parseRequestHead(request, edge.limits.maxHeaderPairs);
    if ('status' in parsed) return refuse(connection, response, parsed);
    if (webSocket !== undefined && request.method === 'GET' && webSocket.isAt(parsed.path)) {
      return refuse(connection, response, refuseUpgrade(request, parsed, webSocket));
    }
    const call = createCallContext(edge.nextCallId(), edge.clock.nowMs(), peerAddress(request.socket));
    call.httpVersion = request.httpVersionMinor === 0 ? '1.0' : '1.1';
    call.peerCertificate = peerCertificate(request.socket);
    const exchange = new Exchange(edge, new Http1Sink(response, edge));
    connection.response = response;
    connection.openExchanges += 1;
    response.on('error', ignore);
    const close = (): void => {
      if (!connection.open.delete(close)) return;
      exchange.closed();
      leave(connection, request, edge);
      // Its head may have left before the listener began to close, and so promised to stay.
      if (edge.isDraining) setImmediate(() => server.closeIdleConnections());
    };
    connection.open.add(close);
    response.on('close', close);
    const { path, authority, fields, hasBody, asksUpgrade } = parsed;
    // Else who sent more behind it would wait for answers that never come.
    if (asksUpgrade) response.shouldKeepAlive = false;
    exchange.start(
      { method: request.method ?? 'GET', path, authority, scheme: edge.scheme, fields, call },
      hasBody ? request : undefined,
    );
  }

  server.on('request', take);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Node finds "100-continue" anywhere in the value.
    const connection = connectionOf(request.socket);
    if (request.headers.expect?.toLowerCase() !== '100-continue') return refuse(connection, response, BAD_EXPECT);
    if (connection.state === 'taking') response.writeContinue();
    take(request, response);
  });
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    refuse(connectionOf(request.socket), response, BAD_EXPECT);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, first: Buffer) => {
    const connection = connectionOf(socket);
    if (connection.openExchanges === 0 && webSocket !== undefined) {
      return openWebSocket(request, socket, first, { edge, webSocket });
    }
    refuseBehind(
      connection,
      socket,
      toLastWords(400, 'Bad Request', 'A WebSocket handshake waits for the answers before it.'),
    );
  });
  // Without a listener node closes the socket without a word.
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuseBehind(connectionOf(socket), socket, toLastWords(405, 'Method Not Allowed', 'This is no proxy.'));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const connection = connectionOf(socket);
    if (connection.state === 'refused') return;
    connection.state = 'refused';
    if (!socket.writable || (connection.request?.complete === false && !mayAnswer(connection))) {
      socket.destroy();
      return;
    }
    connection.lastWords = toErrorWords(error);
    if (connection.request?.complete === false) return sayLastWords(connection, socket);
    // Answers to the requests before the broken one still come, each its own.
    if (connection.openExchanges === 0) sayLastWords(connection, socket);
  });
}

/**
 * Refuses the last request of a connection that node has let go of, behind the answers to those before it. Node tells
 * them nothing of the connection's end any more, and calls would stay open for ever.
 */
function refuseBehind(connection: Connection, socket: Duplex, words: string): void {
  connection.state = 'refused';
  connection.lastWords = words;
  socket.on('error', ignore);
  const giveUp = (): void => {
    for (const close of connection.open) close();
  };
  // As node does where it still holds the connection: who has ended its side waits for no answer.
  socket.once('end', giveUp);
  socket.once('close', giveUp);
  socket.resume();
  if (connection.openExchanges === 0) sayLastWords(connection, socket);
}

/** A body that breaks off can still be refused while its request is the only one and nothing of its answer has left. */
function mayAnswer({ openExchanges, response }: Connection): boolean {
  return openExchanges === 1 && response?.headersSent === false;
}

const BAD_EXPECT: Refusal = { status: 417, text: 'The only Expect taken is "100-continue".\n' };

function refuse(connection: Connection, response: ServerResponse, refusal: Refusal): void {
  if (connection.state === 'refused') return;
  connection.state = 'refused';
  response.shouldKeepAlive = false;
  response.writeHead(refusal.status, [
    'content-type',
    'text/plain; charset=utf-8',
    'connection',
    'close',
    ...(refusal.fields ?? []),
  ]);
  response.end(refusal.text);
}

function leave(connection: Connection, request: IncomingMessage, edge: Edge): void {
  connection.openExchanges -= 1;
  const { socket } = request;
  if (connection.lastWords !== '' && connection.openExchanges === 0) sayLastWords(connection, socket);
  if (!request.complete && !socket.destroyed) linger(request, edge);
}

/**
 * Node closes a connection behind its last answer, as after `connection: close`, though its caller may still upload. Then
 * only our side ends, and {@link linger} decides about the rest.
 */
function holdBackClose(socket: Socket, connection: Connection): void {
  const closeNow = socket.destroySoon.bind(socket);
  socket.destroySoon = () => {
    if (connection.request?.complete === false && !socket.destroyed) socket.end();
    else closeNow();
  };
}

/**
 * After an early answer the rest of the upload is read for a while: closing at once makes the kernel send a reset, and
 * a reset can overtake the answer.
 */
function linger(request: IncomingMessage, edge: Edge): void {
  const { socket } = request;
  const timer = edge.clock.after(edge.limits.lingerMs, () => void socket.destroy());
  request.once('close', () => timer.cancel());
  request.once('end', () => {
    if (socket.writableEnded) socket.destroySoon();
  });
  request.resume();
}

function sayLastWords(connection: Connection, socket: Duplex): void {
  socket.end(connection.lastWords, () => socket.destroy());
  connection.lastWords = '';
}

function toErrorWords(error: NodeJS.ErrnoException): string {
  switch (error.code ?? '') {
    case 'HPE_HEADER_OVERFLOW':
      return toLastWords(431, 'Request Header Fields Too Large', 'The request head is too large.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return toLastWords(413, 'Payload Too Large', 'The chunk extensions are too large.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return toLastWords(408, 'Request Timeout', 'The request head took too long.');
    default:
      return toLastWords(400, 'Bad Request', 'This is not HTTP/1.1.');
  }
}

function toLastWords(status: number, reason: string, text: string): string {
  const head = `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n`;
  return `${head}content-length: ${text.length + 1}\r\n\r\n${text}\n`;
}

function ignore(): void {}
