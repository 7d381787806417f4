import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** An HTTP server of ours that answers as no real one would. */
export interface StubServer {
  readonly port: number;
  readonly origin: string;
  /** Host and port. */
  readonly address: string;
  /** What was asked, as `METHOD /path?query`. */
  readonly asked: string[];
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections open now. */
  readonly connections: number;
  /** Closes the connections that are open, as a server does with idle ones. */
  cut(): void;
  close(): Promise<void>;
}

export type Answering = (request: IncomingMessage, response: ServerResponse) => void;

/** Starts it on a port of its own, or on a given one. */
export async function startStub(
  answer: Answering,
  options: { tls?: ServerOptions; port?: number } = {},
): Promise<StubServer> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  let accepted = 0;
  const listener: RequestListener = (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    answer(request, response);
  };
  const server: Server = options.tls === undefined ? createServer(listener) : createTlsServer(options.tls, listener);
  server.on(options.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    port,
    origin: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    address: `127.0.0.1:${port}`,
    asked,
    get accepted() {
      return accepted;
    },
    get connections() {
      return sockets.size;
    },
    cut,
    async close() {
      const closed = once(server, 'close');
      server.close();
      cut();
      await closed;
    },
  };
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}
