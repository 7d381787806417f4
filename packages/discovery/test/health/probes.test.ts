import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer } from 'node:net';
import { systemClock } from '@bascule/core';
import { HealthCheckResponse_ServingStatus as Status } from '@bascule/schema/gen/grpc/health/v1/health_pb.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { UnimplementedProbe } from '../../src/health/health-checks.ts';
import { callWithin } from '../../src/waiting.ts';
import { closeAll, createEndpoint, onClose } from '../rig.ts';
import { closedPort, createRealProbes, listenOn, startHealthServer } from './server-rig.ts';

afterEach(closeAll);

const probes = createRealProbes();
const never = new AbortController().signal;
const nobody = async () => createEndpoint({ port: await closedPort() });

async function serveHttp(listener: RequestListener) {
  const server = createHttpServer(listener);
  const { endpoint, connections } = await listenOn(server);
  onClose(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { endpoint, connections };
}

/** Takes connections and never says anything. */
async function serveSilence() {
  // Who does not read does not see the end of a connection either.
  const server = createServer((socket) => void socket.resume());
  const { endpoint, connections } = await listenOn(server);
  onClose(() => new Promise((resolve) => server.close(() => resolve(undefined))));
  return { endpoint, connections };
}

describe('a probe by TCP', () => {
  it('passes where somebody listens, and leaves no connection', async () => {
    const { endpoint, connections } = await serveSilence();
    await probes.tcp(endpoint, never);
    await expect.poll(connections).toBe(0);
  });

  it('fails where nobody does', async () => {
    await expect(probes.tcp(await nobody(), never)).rejects.toThrow('connection refused');
  });

  it('is over when it is told so', async () => {
    const { endpoint } = await serveSilence();
    await expect(probes.tcp(endpoint, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    const abort = new AbortController();
    const probe = probes.tcp(endpoint, abort.signal);
    abort.abort(new Error('enough'));
    await expect(probe).rejects.toThrow('enough');
  });
});

describe('a probe by HTTP', () => {
  const up = { path: '/up?deep', port: undefined };

  it('passes by 2xx', async () => {
    const seen: (string | undefined)[] = [];
    const { endpoint, connections } = await serveHttp((request, response) => {
      seen.push(request.method, request.url, request.headers['user-agent']);
      response.writeHead(204).end();
    });
    await probes.http(endpoint, up, never);
    expect(seen).toEqual(['GET', '/up?deep', 'bascule-health']);
    await expect.poll(connections).toBe(0);
  });

  it('asks at another port of the same host where it is told to', async () => {
    const { endpoint } = await serveHttp((_, response) => void response.end());
    await probes.http(await nobody(), { path: '/', port: endpoint.port }, never);
  });

  it('follows no redirect', async () => {
    let isCalled = false;
    const other = await serveHttp((_, response) => {
      isCalled = true;
      response.end();
    });
    const { endpoint } = await serveHttp((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${other.endpoint.port}/` }).end();
    });
    await expect(probes.http(endpoint, up, never)).rejects.toThrow('GET /up?deep answers 302');
    expect(isCalled).toBe(false);
  });

  it('fails by any other status', async () => {
    const { endpoint } = await serveHttp((_, response) => void response.writeHead(503).end());
    await expect(probes.http(endpoint, up, never)).rejects.toThrow('answers 503');
    await expect(probes.http(await nobody(), up, never)).rejects.toThrow('connection refused');
  });

  it('does not read bodies, and no endless heads', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const endless = await serveHttp((_, response) => {
      response.on('close', resolve);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        response.once('drain', more);
      };
      more();
    });
    await probes.http(endless.endpoint, up, never);
    await promise;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('HTTP/1.1 200 OK\r\n');
      const more = (): void => {
        while (!socket.destroyed && socket.write(`x: ${'y'.repeat(1_000)}\r\n`));
      };
      socket.on('drain', more);
      more();
    });
    const { endpoint } = await listenOn(server);
    onClose(() => new Promise((resolve) => server.close(() => resolve(undefined))));
    await expect(probes.http(endpoint, up, never)).rejects.toThrow(/Header overflow/);
  });

  it('is over when it is told so', async () => {
    const { endpoint, connections } = await serveSilence();
    const ended = callWithin({ clock: systemClock, timeoutMs: 50, signal: never }, (signal) =>
      probes.http(endpoint, up, signal),
    );
    await expect(ended).rejects.toThrow('no answer within 50 ms');
    await expect.poll(connections).toBe(0);
  });
});

describe('a probe by gRPC', () => {
  it('asks by name', async () => {
    const statuses = new Map([
      ['', Status.SERVING],
      ['down', Status.NOT_SERVING],
    ]);
    const { endpoint, sessions } = await startHealthServer(statuses);
    await probes.grpc(endpoint, { service: '' }, never);
    await expect(probes.grpc(endpoint, { service: 'down' }, never)).rejects.toThrow('it says NOT_SERVING');
    await expect(probes.grpc(endpoint, { service: 'other' }, never)).rejects.toThrow('does not know the service');
    await expect.poll(() => sessions.size).toBe(0);
  });

  it('tells a server without a health service', async () => {
    const { endpoint } = await startHealthServer();
    await expect(probes.grpc(endpoint, { service: '' }, never)).rejects.toThrow(UnimplementedProbe);
    const watch = { service: '', onStatus: () => undefined };
    await expect(probes.watchGrpc(endpoint, watch, never)).rejects.toThrow(UnimplementedProbe);
  });

  it('fails where nobody listens, and where nobody answers', async () => {
    await expect(probes.grpc(await nobody(), { service: '' }, never)).rejects.toThrow();
    const { endpoint, connections } = await serveSilence();
    const ended = callWithin({ clock: systemClock, timeoutMs: 100, signal: never }, (signal) =>
      probes.grpc(endpoint, { service: '' }, signal),
    );
    await expect(ended).rejects.toThrow('no answer within 100 ms');
    await expect.poll(connections).toBe(0);
  });

  it('watches until the server goes', async () => {
    const server = await startHealthServer(new Map([['a', Status.SERVING]]));
    const told: (string | undefined)[] = [];
    const known = probes.watchGrpc(server.endpoint, { service: 'a', onStatus: (why) => told.push(why) }, never);
    await expect.poll(() => told).toEqual([undefined]);
    server.set('a', Status.NOT_SERVING);
    await expect.poll(() => told).toEqual([undefined, 'it says NOT_SERVING']);
    await Promise.all([expect(known).rejects.toThrow(), server.kill()]);
  });

  it('takes a name that the server does not know for a failure, and hears when it does', async () => {
    const server = await startHealthServer(new Map([['', Status.SERVING]]));
    const told: (string | undefined)[] = [];
    const abort = new AbortController();
    const watch = { service: 'later', onStatus: (why: string | undefined) => void told.push(why) };
    const ended = probes.watchGrpc(server.endpoint, watch, abort.signal);
    await expect.poll(() => told).toEqual(['it says SERVICE_UNKNOWN']);
    server.set('later', Status.SERVING);
    await expect.poll(() => told.length).toBe(2);
    const [session] = server.sessions;
    const closed = once(session as NonNullable<typeof session>, 'close');
    abort.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
    await closed;
  });
});
