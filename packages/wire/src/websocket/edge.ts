import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import type { Duplex } from 'node:stream';
import type { ServerOptions, WebSocketServer } from 'ws';
import { pathOf } from '../dialect/inner-request.ts';
import type { CorsOptions } from '../dialect/cors/cors.ts';
import { answerLater } from '../dialect/refusal.ts';
import type { Edge, ExtendedConnect } from '../listener/edge.ts';
import { SUBPROTOCOL } from './frames.ts';
import { judgeHandshake, refused, type Handshake, type Verdict } from './handshake.ts';
import { DEFAULT_WEBSOCKET_LIMITS, type WebSocketLimits } from './limits.ts';
import type { SocketFacts } from './open-head.ts';
import { WebSocketSession } from './session.ts';
import { StreamSocket } from './stream-socket.ts';

export interface WebSocketOptions {
  /** Where sockets open. Default `/bascule.v1/ws`. */
  readonly path?: string;
  /** Which pages of other origins may call; asked at each handshake. Pages of the same host and callers that are no pages always may. Default: no others. */
  cors?(): CorsOptions | undefined;
  readonly limits?: Partial<WebSocketLimits>;
}

const DEFAULT_PATH = '/bascule.v1/ws';

/** Messages in more pieces than these are no gathering of frames but a way to cost memory. */
const MAX_FRAGMENTS = 256;
const MAX_CHUNKS = 16_384;

/** The WebSocket side of a listener. */
export interface WebSocketEdge {
  /** Whether a request's path is the one where sockets open. */
  isAt(path: string): boolean;
  judge(handshake: Handshake): Verdict;
  /**
   * Takes a connection whose handshake was accepted. `key` is the caller's Sec-WebSocket-Key; `first` was read behind the
   * handshake. Writes the answer of RFC 6455 before anything else.
   */
  accept(socket: Duplex, key: string, first: Buffer, facts: SocketFacts): void;
  /** Takes a stream of HTTP/2 (RFC 8441). */
  readonly connect: ExtendedConnect;
  /** Says "go away" to all; each closes after its last call. */
  drain(): void;
}

/** Options of ws that its types do not know. */
type WsOptions = ServerOptions & { readonly closeTimeout: number };

/** Serves sockets whose handshake came over HTTP. */
export function createWebSocketEdge(edge: Edge, options: WebSocketOptions): WebSocketEdge {
  const path = options.path ?? DEFAULT_PATH;
  const limits = { ...DEFAULT_WEBSOCKET_LIMITS, ...options.limits };
  const sessions = new Set<WebSocketSession>();
  const wsOptions: WsOptions = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.maxMessageBytes,
    maxFragments: MAX_FRAGMENTS,
    maxBufferedChunks: MAX_CHUNKS,
    closeTimeout: limits.closeTimeoutMs,
    handleProtocols: () => SUBPROTOCOL,
  };
  const ws = loadWs();
  const server = new ws.WebSocketServer(wsOptions);

  function isAt(target: string): boolean {
    return target === path || pathOf(target) === path;
  }

  function judge(handshake: Handshake): Verdict {
    if (edge.isDraining) return refused(503, 'This server is closing: connect again.');
    return judgeHandshake(handshake, edge.scheme, options.cors?.());
  }

  function accept(socket: Duplex, key: string, first: Buffer, facts: SocketFacts): void {
    server.handleUpgrade(toRequest(key), socket, first, (webSocket) => {
      const session = new WebSocketSession({ edge, limits, webSocket, socket, facts });
      sessions.add(session);
      webSocket.once('close', () => sessions.delete(session));
      if (edge.isDraining) session.leave();
    });
  }

  const connect: ExtendedConnect = (protocol, head, reply) => {
    if (protocol !== 'websocket') return undefined;
    const verdict = isAt(head.path) ? judge(head) : refused(404, 'WebSockets open at another path.');
    if (verdict.type === 'refused') {
      const fields = ['content-type', 'text/plain; charset=utf-8', ...verdict.fields];
      return answerLater(reply, { status: verdict.status, fields, bytes: Buffer.from(verdict.text) });
    }
    const socket = new StreamSocket(reply);
    const { authority, scheme, call } = head;
    // Not at once: a callee answers only after it has returned.
    queueMicrotask(() => {
      if (socket.destroyed) return;
      reply.head({ status: 200, fields: ['sec-websocket-protocol', SUBPROTOCOL] });
      const facts = { authority, scheme, peer: call.peer, httpVersion: call.httpVersion, fields: verdict.fields };
      accept(socket, NO_KEY, NO_BYTES, facts);
    });
    return socket.body;
  };

  return {
    isAt,
    judge,
    accept,
    connect,
    drain() {
      for (const session of sessions) session.leave();
    },
  };
}

/** Not imported: what a module version is bundled to holds this file as well, and code in CommonJS does not run in there. */
function loadWs(): Ws {
  return createRequire(import.meta.url)('ws') as Ws;
}

interface Ws {
  readonly WebSocketServer: typeof WebSocketServer;
}

/** RFC 8441 needs no key; ws does, and what it makes of it goes nowhere. */
const NO_KEY = Buffer.alloc(16).toString('base64');
const NO_BYTES = Buffer.alloc(0);

/** What ws looks at of a request; the rest was judged before. */
function toRequest(key: string): IncomingMessage {
  const headers = {
    upgrade: 'websocket',
    'sec-websocket-key': key,
    'sec-websocket-version': '13',
    'sec-websocket-protocol': SUBPROTOCOL,
  };
  return { method: 'GET', headers } as unknown as IncomingMessage;
}
