import type { Interceptor, Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import type { ServeOptions, ServerEvent } from '../src/options.ts';
import { serve } from '../src/serve.ts';

const opened: (() => Promise<unknown> | void)[] = [];

/** Closes what a test opened, the last first. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).toReversed()) await close();
}

/** A server without the waits that a test need not see. */
export async function start(options: ServeOptions) {
  const events: ServerEvent[] = [];
  const server = await serve({
    propagationMs: 0,
    drainTimeoutMs: 2_000,
    ...options,
    onEvent: (event) => void events.push(event),
  });
  opened.push(() => server.close());
  return { server, events, types: () => events.map((event) => event.type) };
}

const FACTORIES = { grpc: createGrpcTransport, 'grpc-web': createGrpcWebTransport, connect: createConnectTransport };
export type Protocol = keyof typeof FACTORIES;

/** A client's way to a port of this machine, over a connection of its own. */
export function connectTo(port: number, protocol: Protocol = 'grpc', interceptors: Interceptor[] = []): Transport {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  opened.push(() => sessionManager.abort());
  return FACTORIES[protocol]({ baseUrl, httpVersion: '2', sessionManager, interceptors });
}

/** The same over HTTP/1.1. */
export function connectByHttp1(port: number, protocol: Exclude<Protocol, 'grpc'>): Transport {
  return FACTORIES[protocol]({
    baseUrl: `http://127.0.0.1:${port}`,
    httpVersion: '1.1',
    nodeOptions: { agent: false },
    useHttpGet: true,
  });
}
