import { createServer, type AddressInfo } from 'node:net';
import { createVirtualClock, systemClock } from '@bascule/core';
import { createRegistry, createRegistryDriver, createSource } from '@bascule/discovery';
import { createTokenInterceptor } from '@bascule/kit';
import { TEST_TLS } from '@bascule/testing/tls';
import { digestOf, methodFactsOf } from '@bascule/schema';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { Code, createClient } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createDemo } from './demo-routes.ts';
import { closeAll, connectTo, start } from './rig.ts';

afterEach(closeAll);

async function startRegistry(token?: string) {
  const registry = createRegistry({ clock: createVirtualClock() });
  const interceptors = token === undefined ? [] : [createTokenInterceptor(token)];
  const { server } = await start({ routes: registry.routes, interceptors });
  const client = createClient(RegistryService, connectTo(server.port));
  return { registry, server, client, url: `http://127.0.0.1:${server.port}` };
}

describe('a server with a registry', () => {
  it('registers what it is, with its descriptors', async () => {
    const { client, url } = await startRegistry();
    const { server } = await start({
      routes: createDemo().routes,
      registry: { url, ttlMs: 5_000 },
      instanceId: 'ranking-1',
      incarnation: 7,
      weight: 3,
      zone: 'a',
      labels: { tier: 'b' },
      version: '1.2.3',
    });
    await server.registered;
    const { endpoints } = await client.list({});
    expect(endpoints).toHaveLength(1);
    expect(endpoints[0]).toMatchObject({
      instanceId: 'ranking-1',
      incarnation: 7n,
      host: '127.0.0.1',
      port: server.port,
      weight: 3,
      zone: 'a',
      services: ['demo.ranking.v1.RankingService'],
      moduleVersion: '1.2.3',
      labels: { tier: 'b' },
    });
    const { schema } = await client.getSchema({ digest: server.endpoint.schemaDigest });
    expect(digestOf(schema)).toBe(server.endpoint.schemaDigest);
    expect(methodFactsOf(schema).map(({ method }) => method)).toContain('Rank');
  });

  it('deregisters first, and serves new calls until watchers have had the time to hear of it', async () => {
    const { client, url } = await startRegistry();
    const clock = createVirtualClock();
    const { server, types } = await start({
      routes: createDemo().routes,
      registry: { url },
      propagationMs: 500,
      clock: { ...systemClock, after: (delayMs, fn) => (delayMs === 500 ? clock : systemClock).after(delayMs, fn) },
    });
    await server.registered;
    const closed = server.close();
    await expect.poll(async () => (await client.list({})).endpoints.length).toBe(0);
    await expect.poll(() => clock.pending()).toBe(1);
    const late = createClient(RankingService, connectTo(server.port));
    expect(await late.rank({ callId: 'late' })).toMatchObject({ callId: 'late' });
    expect(types()).toEqual(['registered', 'deregistered']);
    clock.advance(500);
    await closed;
    expect(types()).toEqual(['registered', 'deregistered', 'draining']);
    const refused = createClient(RankingService, connectTo(server.port)).rank({});
    await expect(refused).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it('registers by token only', async () => {
    const { client, url } = await startRegistry('s3cret');
    const { events, types } = await start({ routes: createDemo().routes, registry: { url, token: 'wrong' } });
    await expect.poll(() => types()).toContain('retrying');
    expect(events[0]).toMatchObject({ error: expect.stringMatching(/token/) as string });
    const { server } = await start({ routes: createDemo().routes, registry: { url, token: 's3cret' } });
    await server.registered;
    await expect(client.list({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  });

  it('serves while the registry is away, and closes within bounded time', async () => {
    const { url, server: registryServer } = await startRegistry();
    await registryServer.close();
    const { server, types } = await start({ routes: createDemo().routes, registry: { url } });
    await expect.poll(() => types()).toContain('retrying');
    const client = createClient(RankingService, connectTo(server.port));
    expect(await client.rank({ callId: 'alone' })).toMatchObject({ callId: 'alone' });
    await server.close();
    await expect(server.registered).rejects.toThrow(/closed before/);
  });
});

describe('the end of a server', () => {
  it('lets open calls and streams finish', async () => {
    const demo = createDemo();
    const { server } = await start({ routes: demo.routes, drainTimeoutMs: 10_000 });
    const client = createClient(RankingService, connectTo(server.port));
    const proceed = Promise.withResolvers<void>();
    async function* requests() {
      yield { candidate: { name: 'before' } };
      await proceed.promise;
      yield { candidate: { name: 'after' } };
    }
    const stream = client.tally(requests())[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ ranked: { name: 'before' } });
    let isClosed = false;
    const closed = server.close().then(() => (isClosed = true));
    const refused = createClient(RankingService, connectTo(server.port));
    await expect.poll(() => refused.rank({}).then(String, ({ code }: { code: Code }) => code)).toBe(Code.Unavailable);
    expect(isClosed).toBe(false);
    proceed.resolve();
    expect((await stream.next()).value).toMatchObject({ ranked: { name: 'after' } });
    expect((await stream.next()).done).toBe(true);
    await closed;
  });

  it('cuts what is left after the drain time, and tells the handler', async () => {
    const demo = createDemo();
    const { server, events } = await start({ routes: demo.routes, drainTimeoutMs: 50 });
    const client = createClient(RankingService, connectTo(server.port));
    const call = client.rank({ callId: 'hang' }).catch((error: { code: Code }) => error.code);
    await expect.poll(() => demo.contexts.length).toBe(1);
    await Promise.all([server.close(), server.close()]);
    expect(events).toEqual([{ type: 'draining', openCalls: 1 }]);
    expect([Code.Unavailable, Code.Canceled, Code.Aborted, Code.Internal]).toContain(await call);
    await expect.poll(() => demo.contexts[0]?.signal.aborted).toBe(true);
  });
});

describe('the start of a server', () => {
  const routes = createDemo().routes;

  it('has an endpoint without any registry', async () => {
    const { server } = await start({ routes });
    await server.registered;
    expect(server.endpoint).toMatchObject({ host: '127.0.0.1', port: server.port, weight: 1, protocol: 'grpc' });
    expect(server.endpoint.instanceId).toMatch(new RegExp(`^127\\.0\\.0\\.1:${server.port}:[0-9a-f]{8}$`));
  });

  it('has an id that registries take, of an IPv6 address as well', async () => {
    const { server } = await start({ routes, advertiseHost: '::1' });
    expect(server.endpoint.instanceId).toMatch(new RegExp(`^0::1:${server.port}:[0-9a-f]{8}$`));
  });

  it('takes a registry of several servers', async () => {
    const { server, events } = await start({ routes, registry: { url: 'etcd://127.0.0.1:1,127.0.0.1:2' } });
    await expect.poll(() => events.map(({ type }) => type)).toContain('retrying');
    await server.close();
  });

  it('says which port is in use', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as AddressInfo;
    await expect(start({ routes, port })).rejects.toMatchObject({ code: 'EADDRINUSE', port });
    await new Promise((resolve) => taken.close(resolve));
  });

  it('refuses to register an address that nobody can reach, or at one that is none', async () => {
    const registry = { url: 'http://127.0.0.1:1' };
    await expect(start({ routes, registry, host: '0.0.0.0' })).rejects.toThrow(/advertiseHost/);
    await expect(start({ routes, registry: { url: 'localhost:7070' } })).rejects.toThrow(/registry\.url/);
    const { server } = await start({ routes, registry, host: '0.0.0.0', advertiseHost: 'me.test' });
    expect(server.endpoint.host).toBe('me.test');
  });

  it.each([
    [{ cert: 'x' }, 'tls.cert is no PEM text'],
    [{ key: '' }, 'tls.key is no PEM text'],
    [{ clientCa: 'x' }, 'tls.clientCa is no PEM text'],
    [{ key: '-----BEGIN PRIVATE KEY-----' }, 'tls: cert, key and clientCa make no server'],
  ])('says which option no TLS can be made of: %o', async (wrong, words) => {
    await expect(start({ routes, tls: { ...TEST_TLS, ...wrong } })).rejects.toThrow(words);
  });

  it('registers nobody without a service', async () => {
    const registry = { url: 'http://127.0.0.1:1' };
    await expect(start({ routes: () => {}, registry })).rejects.toThrow('routes registers no service');
    await start({ routes: () => {} });
  });

  it('says so when its routes are broken', async () => {
    const broken = () => {
      throw new Error('no such route');
    };
    await expect(start({ routes: broken })).rejects.toThrow('no such route');
  });
});

describe('a source that watches a registry behind serve', () => {
  it('hears of a server, and of its end before it stops to serve', async () => {
    const { server: registryServer, url } = await startRegistry();
    const driver = createRegistryDriver({
      transport: connectTo(registryServer.port),
      clock: systemClock,
      namespace: '',
      schemas: new Map(),
    });
    const source = createSource({ driver, clock: systemClock });
    const told: string[] = [];
    source.start({
      changes: (changes) => told.push(...changes.map((c) => (c.type === 'remove' ? c.cause : c.type))),
      status: () => {},
      schema: () => told.push('schema'),
      warning: (message) => told.push(message),
    });
    const { server, types } = await start({ routes: createDemo().routes, registry: { url }, propagationMs: 200 });
    await expect.poll(() => told).toEqual(['insert', 'schema']);
    const closed = server.close();
    await expect.poll(() => told.at(-1)).toBe('deregistered');
    expect(types()).not.toContain('draining');
    await closed;
    await source.close();
  });
});
