import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ConnectRouterOptions, Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { serve } from '../../src/serve.ts';
import { createSeeingInterceptor, createSeenRoutes, createValues, type Seen } from './seen-routes.ts';

/** One of the two servers that must not differ. */
export interface Subject {
  readonly name: string;
  readonly seen: Seen;
  port(httpVersion: '1.1' | '2'): number;
  close(): Promise<void>;
}

/** The same routes and options, with a place of its own to write down what is seen. */
function createOptions(seen: Seen, isIntercepted: boolean): ConnectRouterOptions {
  return { readMaxBytes: 100_000, interceptors: isIntercepted ? [createSeeingInterceptor(seen)] : [] };
}

export async function startConnectNode(isIntercepted: boolean): Promise<Subject> {
  const seen: Seen = [];
  const handler = connectNodeAdapter({
    ...createOptions(seen, isIntercepted),
    routes: createSeenRoutes(seen),
    contextValues: createValues,
  });
  const http1 = createHttp1Server(handler);
  const http2 = createHttp2Server(handler);
  const sessions = new Set<ServerHttp2Session>();
  http2.on('session', (session) => sessions.add(session));
  const listening = [http1, http2].map((server) => new Promise<void>((resolve) => void server.listen(0, resolve)));
  await Promise.all(listening);
  return {
    name: 'connect-node',
    seen,
    port: (httpVersion) => ((httpVersion === '2' ? http2 : http1).address() as AddressInfo).port,
    async close() {
      for (const session of sessions) session.destroy();
      http1.closeAllConnections();
      await Promise.all([http1, http2].map((server) => new Promise((resolve) => void server.close(resolve))));
    },
  };
}

export async function startServe(isIntercepted: boolean): Promise<Subject> {
  const seen: Seen = [];
  const { readMaxBytes = 0, ...options } = createOptions(seen, isIntercepted);
  const server = await serve({
    ...options,
    maxMessageBytes: readMaxBytes,
    routes: createSeenRoutes(seen),
    contextValues: createValues,
    drainTimeoutMs: 0,
  });
  return { name: 'serve', seen, port: () => server.port, close: () => server.close() };
}

/** How a client may come. */
export interface Way {
  readonly name: string;
  readonly httpVersion: '1.1' | '2';
  open(port: number): { transport: Transport; close(): void };
}

type TransportOptions = Parameters<typeof createConnectTransport>[0];

function createWay(name: string, options: Pick<TransportOptions, 'httpVersion'> & Partial<TransportOptions>): Way {
  const { httpVersion } = options;
  const create = name.startsWith('connect') ? createConnectTransport : createGrpcWebTransport;
  return {
    name: `${name}, HTTP/${httpVersion}`,
    httpVersion,
    open(port) {
      const baseUrl = `http://127.0.0.1:${port}`;
      if (httpVersion === '1.1') {
        const transport = create({ baseUrl, nodeOptions: { agent: false }, ...options, httpVersion });
        return { transport, close: () => {} };
      }
      const sessionManager = new Http2SessionManager(baseUrl);
      const open = name === 'grpc' ? createGrpcTransport : create;
      return {
        transport: open({ baseUrl, sessionManager, ...options, httpVersion }),
        close: () => sessionManager.abort(),
      };
    },
  };
}

export const WAYS: readonly Way[] = [
  createWay('grpc', { httpVersion: '2' }),
  createWay('grpc-web', { httpVersion: '1.1' }),
  createWay('grpc-web', { httpVersion: '2', useBinaryFormat: false }),
  createWay('connect', { httpVersion: '1.1', useHttpGet: true }),
  createWay('connect', { httpVersion: '2' }),
  createWay('connect with JSON', { httpVersion: '1.1', useBinaryFormat: false }),
];
