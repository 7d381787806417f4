import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { createNodeTransport } from '@bascule/client';
import { systemClock, type Endpoint } from '@bascule/core';
import { Health, HealthCheckResponse_ServingStatus as Status } from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import { Code, ConnectError } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createProbes } from '../../src/health/probes.ts';
import { createEndpoint, onClose } from '../rig.ts';

/** Probes over our own transport, as a gateway has them. */
export function createRealProbes() {
  return createProbes({
    dial: ({ host, port }) =>
      createNodeTransport({ baseUrl: `http://${host}:${port}`, clock: systemClock, connectWaitMs: 0 }),
  });
}

/** Puts a server on a free port, with a count of its connections. */
export async function listenOn(server: Server): Promise<{ endpoint: Endpoint; connections: () => Promise<number> }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: createEndpoint({ port }),
    connections: () =>
      new Promise((resolve, reject) => server.getConnections((error, n) => (error ? reject(error) : resolve(n)))),
  };
}

/** A port on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = createTcpServer();
  const { endpoint } = await listenOn(server);
  await new Promise((resolve) => server.close(resolve));
  return endpoint.port;
}

/** A gRPC server with a health service that says what it is told to; without statuses it has none. */
export async function startHealthServer(statuses?: Map<string, Status>) {
  const waking = new Set<() => void>();
  async function* watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
    let told: Status | undefined;
    while (!signal.aborted) {
      const status = statuses?.get(service) ?? Status.SERVICE_UNKNOWN;
      if (status !== told) yield { status };
      told = status;
      const { promise, resolve } = Promise.withResolvers<void>();
      waking.add(resolve);
      signal.addEventListener('abort', () => resolve());
      await promise;
      waking.delete(resolve);
    }
  }
  const server = createHttp2Server(
    {},
    connectNodeAdapter({
      routes(router) {
        if (statuses === undefined) return;
        router.service(Health, {
          check({ service }) {
            const status = statuses.get(service);
            if (status === undefined) throw new ConnectError('never heard of it', Code.NotFound);
            return { status };
          },
          watch: ({ service }, { signal }) => watch(service, signal),
        });
      },
    }),
  );
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  const { endpoint } = await listenOn(server);
  let killed: Promise<void> | undefined;
  const kill = (): Promise<void> =>
    (killed ??= new Promise((resolve) => {
      for (const session of sessions) session.destroy();
      server.close(() => resolve());
    }));
  onClose(kill);
  return {
    endpoint,
    kill,
    sessions,
    set(service: string, status: Status) {
      statuses?.set(service, status);
      for (const wake of waking) wake();
    },
  };
}
