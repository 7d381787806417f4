import { endpointKey } from '@bascule/core';
import { canStart, startNacos, type NacosServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';
import { createNacosHand, type NacosHand } from './nacos-hand.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('nacos'))('a Nacos of others', () => {
  let server: NacosServer;
  let hand: NacosHand;
  beforeAll(async () => {
    server = await startNacos();
    hand = createNacosHand(server.url);
  });
  afterAll(() => server?.stop());

  const url = (path: string, query = ''): string => `nacos://${server.address}${path}?intervalMs=50${query}`;

  it('needs nothing of ours to be usable', async () => {
    await hand.register({ serviceName: 'web', ip: '127.0.0.1', port: 8080, weight: 3, metadata: { team: 'a' } });
    await hand.register({
      serviceName: 'web',
      ip: '127.0.0.1',
      port: 8081,
      clusterName: 'c1',
      metadata: { gRPC_port: '9090' },
    });
    const seen = await opened.follow(url('/web', '&cluster=c1,DEFAULT'), { defaults: { services: ['demo.Web'] } });
    await has(seen, ['web@127.0.0.1:3a8080', 'web@127.0.0.1:3a8081:2fc1']);
    expect(seen.endpoints()).toEqual([
      createEndpoint(0, {
        instanceId: 'web@127.0.0.1:3a8080',
        incarnation: 1,
        port: 8080,
        weight: 3,
        services: ['demo.Web'],
        labels: { team: 'a' },
      }),
      expect.objectContaining({ port: 9090, weight: 1 }),
    ]);
  });

  it('keeps namespaces, groups and clusters apart', async () => {
    const query = '&namespace=team&group=blue&cluster=eu';
    await opened.register(url('/parted', query), createEndpoint(1));
    const seen = await opened.follow(url('/parted', query));
    await has(seen, ['places-1']);
    for (const other of ['&group=blue&cluster=eu', '&namespace=team&cluster=eu', '&namespace=team&group=blue']) {
      const elsewhere = await opened.follow(url('/parted', other));
      await until('it is connected', () => elsewhere.source.status().state === 'connected');
      expect(elsewhere.set.size).toBe(0);
    }
    await expect(opened.register(url('/parted', '&cluster=a,b'), createEndpoint(2))).rejects.toThrow(/one cluster/);
  });

  it('tells the service by its name where that is one', async () => {
    await opened.register(url(''), createEndpoint(1));
    await has(await opened.follow(url('/demo.places.v1.PlacesService')), ['places-1']);
  });

  it('refuses what does not fit, in its own words', async () => {
    const services = Array.from({ length: 40 }, (_, number) => `demo.packages.number${number}.v1.SomeService`);
    const { registrar, events } = await opened.register(url('/large'), createEndpoint(1, { services }));
    await expect(registrar.registered).rejects.toThrow(
      /400 "Param 'Metadata' is illegal, the param length should not exceed 1024/,
    );
    expect(events.map(({ type }) => type)).toEqual(['rejected']);
  });

  it('lets no old process take the place of its successor, nor remove it', async () => {
    const [older, newer] = [createEndpoint(1, { incarnation: 4 }), createEndpoint(1, { incarnation: 5 })];
    const old = await opened.register(url('/fenced'), older);
    await old.registrar.registered;
    const seen = await opened.follow(url('/fenced'));
    await has(seen, ['places-1']);
    await (
      await opened.register(url('/fenced'), newer)
    ).registrar.registered;
    await until('the newer one is seen', () => seen.set.has(endpointKey(newer)));
    const late = await opened.register(url('/fenced'), { ...older, port: 9 });
    await expect(late.registrar.registered).rejects.toThrow(
      /Nacos knows places-1 with incarnation 5; ours, 4, is older/,
    );
    await old.registrar.close();
    const after = await opened.follow(url('/fenced'));
    await has(after, ['places-1']);
    expect([[...after.set.keys()], seen.removals()]).toEqual([
      [endpointKey(newer)],
      [`remove ${endpointKey(older)} replaced`],
    ]);
  });
});

describe.skipIf(!canStart('nacos'))('a Nacos with users', () => {
  let server: NacosServer;
  beforeAll(async () => {
    server = await startNacos({ auth: true });
  });
  afterAll(() => server?.stop());

  it('takes who has the password and refuses who has not', async () => {
    const { user: username, password } = server.credentials as { user: string; password: string };
    const url = `nacos://${server.address}/web?intervalMs=50`;
    const { registrar } = await opened.register(url, createEndpoint(1), { credentials: { username, password } });
    await registrar.registered;
    await has(await opened.follow(url, { credentials: { username, password } }), ['places-1']);
    const none = await opened.register(url, createEndpoint(2));
    await expect(none.registrar.registered).rejects.toThrow(/: 403 /);
    const seen = await opened.follow(url);
    await until('it says why', () => seen.source.status().error?.includes(': 403 ') === true);
    expect(seen.set.size).toBe(0);
  });
});
