import { Agent } from 'node:http';
import { createBasculeTransport } from '@bascule/web';
import type { Transport } from '@connectrpc/connect';
import {
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';

/** How a caller speaks, and what can be said so. */
export interface Dialect {
  readonly name: string;
  /** As the access log and the metrics call it. */
  readonly label: 'grpc' | 'grpc-web' | 'connect';
  /** `half`: the request must end before the answer begins, as over HTTP/1.1. `none`: one request message at most. */
  readonly requestStreams: 'full' | 'half' | 'none';
  /** Whether its client can compress messages. */
  readonly compresses: boolean;
  readonly connect: (baseUrl: string, options: ConnectOptions) => Connected;
}

export interface ConnectOptions {
  /** Compresses requests, however short. */
  readonly compress?: boolean;
  readonly readMaxBytes?: number;
}

/** A client's connections. */
export interface Connected extends Disposable {
  readonly transport: Transport;
}

/** Every dialect over every HTTP version that a caller may come with. */
export const DIALECTS: readonly Dialect[] = [
  {
    name: 'gRPC-Web over HTTP/1.1',
    label: 'grpc-web',
    requestStreams: 'half',
    compresses: true,
    connect: (baseUrl, options) =>
      overHttp1((agent) =>
        createGrpcWebTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent }, ...toOptions(options) }),
      ),
  },
  {
    name: 'Connect over HTTP/1.1',
    label: 'connect',
    requestStreams: 'half',
    compresses: true,
    connect: (baseUrl, options) =>
      overHttp1((agent) =>
        createConnectTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent }, ...toOptions(options) }),
      ),
  },
  {
    name: 'Connect over HTTP/1.1 with GET',
    label: 'connect',
    requestStreams: 'half',
    compresses: true,
    connect: (baseUrl, options) =>
      overHttp1((agent) =>
        createConnectTransport({
          baseUrl,
          httpVersion: '1.1',
          useHttpGet: true,
          nodeOptions: { agent },
          ...toOptions(options),
        }),
      ),
  },
  {
    name: 'Connect with JSON over HTTP/2',
    label: 'connect',
    requestStreams: 'full',
    compresses: true,
    connect: (baseUrl, options) =>
      overHttp2(baseUrl, (sessionManager) =>
        createConnectTransport({
          baseUrl,
          httpVersion: '2',
          useBinaryFormat: false,
          sessionManager,
          ...toOptions(options),
        }),
      ),
  },
  {
    name: 'gRPC',
    label: 'grpc',
    requestStreams: 'full',
    compresses: true,
    connect: (baseUrl, options) =>
      overHttp2(baseUrl, (sessionManager) => createGrpcTransport({ baseUrl, sessionManager, ...toOptions(options) })),
  },
  {
    name: "the page's transport under fetch",
    label: 'grpc-web',
    requestStreams: 'none',
    compresses: false,
    connect: (baseUrl) => ({ transport: createBasculeTransport({ baseUrl }), [Symbol.dispose]: () => undefined }),
  },
];

/** gRPC, for tests that are not about dialects. */
export function connectGrpc(baseUrl: string): Connected {
  return overHttp2(baseUrl, (sessionManager) => createGrpcTransport({ baseUrl, sessionManager }));
}

/** gRPC-Web over HTTP/1.1 as pages speak it. */
export function connectGrpcWeb(baseUrl: string): Connected {
  return overHttp1((agent) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1', nodeOptions: { agent } }));
}

function overHttp1(create: (agent: Agent) => Transport): Connected {
  const agent = new Agent({ keepAlive: true });
  return { transport: create(agent), [Symbol.dispose]: () => agent.destroy() };
}

function overHttp2(baseUrl: string, create: (sessionManager: Http2SessionManager) => Transport): Connected {
  const sessionManager = new Http2SessionManager(baseUrl);
  return { transport: create(sessionManager), [Symbol.dispose]: () => sessionManager.abort() };
}

function toOptions({ compress = false, readMaxBytes }: ConnectOptions) {
  return {
    ...(compress ? { sendCompression: compressionGzip, compressMinBytes: 0 } : {}),
    ...(readMaxBytes === undefined ? {} : { readMaxBytes }),
  };
}
