import { createServer, type ServerHttp2Session } from 'node:http2';
import type { Endpoint } from '@bascule/core';
import { digestOf, schemaOf } from '@bascule/schema';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { endpointOf } from '@bascule/testing';
import { createClient, type Interceptor } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { freePort } from '../../../test/support/src/servers/ports.ts';
import { createRegistry, type RegistryOptions } from '../src/registry/registry.ts';
import type { Source } from '../src/source.ts';
import { record as recordOf } from './contract/recorder.ts';

export const SCHEMA = schemaOf([RegistryService]);
export const DIGEST = digestOf(SCHEMA);

export function createEndpoint(overrides: Partial<Endpoint> = {}): Endpoint {
  return endpointOf({ port: 50_051, ...overrides });
}

/** What a test opened; closed in reverse order by {@link closeAll}. */
const opened: (() => Promise<unknown> | void)[] = [];

export function onClose(close: () => Promise<unknown> | void): void {
  opened.push(close);
}

export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0).toReversed()) await close();
}

/** A registry on a real HTTP/2 server. `kill` cuts all connections, as the end of its process does. */
export async function startRegistry(options: RegistryOptions & { port?: number; interceptors?: Interceptor[] }) {
  const registry = createRegistry(options);
  const interceptors = options.interceptors ?? [];
  const server = createServer({}, connectNodeAdapter({ routes: registry.routes, interceptors }));
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  // One that nobody else is handed while the registry is away.
  const port = options.port ?? (await freePort());
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  let killed: Promise<void> | undefined;
  const kill = (): Promise<void> =>
    (killed ??= new Promise((resolve) => {
      for (const session of sessions) session.destroy();
      registry.close();
      server.close(() => resolve());
    }));
  onClose(kill);
  return { port, kill, registry };
}

/** A transport to a registry on this machine. */
export function connectTo(port: number) {
  const baseUrl = `http://127.0.0.1:${port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  onClose(() => sessionManager.abort());
  return createGrpcTransport({ baseUrl, sessionManager });
}

export function clientOf(port: number) {
  return createClient(RegistryService, connectTo(port));
}

/** Follows a source and holds it to the law of changes. */
export function record(source: Source) {
  const recorded = recordOf(source);
  onClose(() => source.close());
  return { ...recorded, keys: () => [...recorded.set.keys()].sort() };
}
