import { once } from 'node:events';
import { createServer as createHttp1, type Server } from 'node:http';
import { createServer as createHttp2, createSecureServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { compressionBrotli, compressionGzip, compressionZstd } from '../../src/index.ts';
import { createProbe, createRoutes, type Probe } from './routes.ts';

export type HttpVersion = '2' | '1.1';

/** A server of connect-node that tests call. */
export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly probe: Probe;
  /** Open HTTP/2 sessions. */
  readonly sessions: ReadonlySet<ServerHttp2Session>;
}

export interface TestServerOptions {
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly compress?: boolean;
}

export async function startServer(version: HttpVersion, options: TestServerOptions = {}): Promise<TestServer> {
  const probe = createProbe();
  const handler = connectNodeAdapter({
    routes: createRoutes(probe),
    ...(options.compress === true
      ? { acceptCompression: [compressionGzip, compressionBrotli, compressionZstd], compressMinBytes: 0 }
      : { acceptCompression: [] }),
  });
  const { tls } = options;
  const secure = tls && { ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: tls.ca !== undefined };
  const server: Server | Http2Server =
    version === '2'
      ? secure
        ? createSecureServer(secure, handler)
        : createHttp2(handler)
      : secure
        ? createHttps(secure, handler)
        : createHttp1(handler);
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  (server as Server).on(secure ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  (server as Http2Server).on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${secure ? 'https://localhost' : 'http://127.0.0.1'}:${port}`,
    probe,
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}
