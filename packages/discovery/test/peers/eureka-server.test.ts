import { endpointKey } from '@bascule/core';
import { canStart, startEureka, type EurekaServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint } from '../contract/endpoints.ts';
import { createEurekaHand, type EurekaHand } from './eureka-hand.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('eureka'))('a Eureka of others', () => {
  let server: EurekaServer;
  let hand: EurekaHand;
  beforeAll(async () => {
    server = await startEureka();
    hand = createEurekaHand(server.url);
  });
  afterAll(() => server?.stop());

  const url = (path = '', query = ''): string => `eureka://${server.address}/eureka${path}?intervalMs=50${query}`;

  it('needs nothing of ours to be usable', async () => {
    await hand.register('WEB', { instanceId: 'host:web:8080', metadata: { zone: 'z1', team: 'a' }, vipAddress: 'web' });
    const seen = await opened.follow(url('/web'), {
      defaults: { services: ['demo.Web'], protocol: 'connect+http1', codecs: ['proto', 'json'] },
    });
    await has(seen, ['WEB@host:3aweb:3a8080']);
    expect(seen.endpoints()).toEqual([
      createEndpoint(0, {
        instanceId: 'WEB@host:3aweb:3a8080',
        incarnation: 1,
        host: '127.0.0.1',
        port: 8080,
        protocol: 'connect+http1',
        codecs: ['proto', 'json'],
        zone: 'z1',
        services: ['demo.Web'],
        labels: { zone: 'z1', team: 'a' },
      }),
    ]);
  });

  it('tells the service by its address where that is one, and the ports and hosts that are to be called', async () => {
    const secure = { port: { $: 80, '@enabled': 'false' }, securePort: { $: 8443, '@enabled': 'true' } };
    await hand.register('PORTS', { instanceId: 'a', vipAddress: 'demo.v1.Echo', metadata: { gRPC_port: '9090' } });
    await hand.register('PORTS', { instanceId: 'b', ...secure });
    const seen = await opened.follow(url('/PORTS', '&host=name'));
    await has(seen, ['PORTS@a', 'PORTS@b']);
    expect(seen.endpoints()).toMatchObject([
      { port: 9090, services: ['demo.v1.Echo'], host: 'localhost' },
      { port: 8443, tls: true },
    ]);
  });

  it('says how instances are', async () => {
    await hand.register('SICK', { instanceId: 's1', status: 'STARTING' });
    const seen = await opened.follow(url('/SICK'));
    const health = (): unknown => seen.set.get('SICK@s1#1')?.health;
    await expect.poll(health).toBe('failing');
    await hand.register('SICK', { instanceId: 's1', status: 'UP', lastDirtyTimestamp: String(Date.now() + 1_000) });
    await expect.poll(health).toBe(undefined);
    await hand.ask('PUT', '/apps/SICK/s1/status?value=OUT_OF_SERVICE');
    await expect.poll(health).toBe('draining');
    await hand.ask('DELETE', '/apps/SICK/s1/status?value=UP');
    await expect.poll(health).toBe(undefined);
    await hand.ask('PUT', '/apps/SICK/s1/status?value=DOWN');
    await expect.poll(health).toBe('failing');
    expect(seen.removals()).toEqual([]);
  });

  it('is followed whole when the URL names no application', async () => {
    const seen = await opened.follow(url());
    await hand.register('ALL-ONE', { instanceId: 'x' });
    await hand.register('ALL-TWO', { instanceId: 'x' });
    await until('both are seen', () => seen.set.has('ALL-ONE@x#1') && seen.set.has('ALL-TWO@x#1'));
    const { registrar } = await opened.register(url(), createEndpoint(1));
    await until('ours is seen', () => seen.set.has('places-1#7'));
    expect(await hand.get('DEMO.PLACES.V1.PLACESSERVICE', 'places-1')).toMatchObject({
      vipAddress: 'demo.places.v1.PlacesService',
    });
    await registrar.close();
    await hand.ask('DELETE', '/apps/ALL-TWO/x');
    await until('both are gone', () => seen.removals().length === 2);
    expect(seen.removals().sort()).toEqual(['remove ALL-TWO@x#1 deregistered', 'remove places-1#7 deregistered']);
    expect(seen.broken).toEqual([]);
  });

  it('tells whose lease ran out from who left', async () => {
    const seen = await opened.follow(url());
    await hand.register('LATE', { instanceId: 'l', leaseInfo: { durationInSecs: 1, renewalIntervalInSecs: 1 } });
    await until('it is seen', () => seen.set.has('LATE@l#1'));
    await until('it is gone', () => !seen.set.has('LATE@l#1'));
    expect(seen.removals()).toEqual(['remove LATE@l#1 lease-expired']);
  });

  it('lets no old process renew, overwrite or remove its successor', async () => {
    const [older, newer] = [
      createEndpoint(1, { incarnation: 4, port: 4 }),
      createEndpoint(1, { incarnation: 5, port: 5 }),
    ];
    const old = await opened.register(url('/fenced'), older, { ttlMs: 1_000 });
    await old.registrar.registered;
    old.registrar.update({ health: 'draining' });
    const seen = await opened.follow(url('/fenced'));
    await until('it drains', () => seen.set.get(endpointKey(older))?.health === 'draining');
    await (
      await opened.register(url('/fenced'), newer)
    ).registrar.registered;
    await until('it is refused', () => old.events.some(({ type }) => type === 'rejected'));
    expect(old.events.map(({ type }) => type)).toEqual(['registered', 'lease-lost', 'rejected']);
    await old.registrar.close();
    await until('the newer one is well', () => seen.set.size === 1 && seen.set.has(endpointKey(newer)));
    expect(await hand.get('FENCED', 'places-1')).toMatchObject({ status: 'UP', port: { $: 5 } });
    expect(seen.removals()).toEqual([`remove ${endpointKey(older)} replaced`]);
  });

  it("keeps an operator's status over restarts of the instance", async () => {
    const { registrar } = await opened.register(url('/upkeep'), createEndpoint(1));
    await registrar.registered;
    await hand.ask('PUT', '/apps/UPKEEP/places-1/status?value=OUT_OF_SERVICE');
    const again = createEndpoint(1, { incarnation: 8 });
    await (
      await opened.register(url('/upkeep'), again)
    ).registrar.registered;
    const seen = await opened.follow(url('/upkeep'));
    await until('it drains', () => seen.set.get(endpointKey(again))?.health === 'draining');
  });

  it('registers in spite of a clock that is behind', async () => {
    const before = createEndpoint(1, { incarnation: 1, port: 1 });
    const seen = await opened.follow(url('/skewed'));
    await hand.register('SKEWED', {
      instanceId: 'places-1',
      lastDirtyTimestamp: String(Date.now() + 3_600_000),
      metadata: { 'bascule-incarnation': '1', 'bascule-services': 'demo.A' },
    });
    await until('the first is seen', () => seen.set.has(endpointKey(before)));
    await opened.register(url('/skewed'), createEndpoint(1, { incarnation: 2 }));
    await until('the second is seen', () => seen.set.has('places-1#2'));
  });
});

describe.skipIf(!canStart('eureka'))('a Eureka with users', () => {
  let server: EurekaServer;
  beforeAll(async () => {
    server = await startEureka({ auth: true });
  });
  afterAll(() => server?.stop());

  it('takes who has the password and refuses who has not', async () => {
    const { user: username, password } = server.credentials as { user: string; password: string };
    const url = `eureka://${server.address}/eureka/web?intervalMs=50`;
    const seen = await opened.follow(url, { credentials: { username, password } });
    const { registrar } = await opened.register(url, createEndpoint(1), { credentials: { username, password } });
    await registrar.registered;
    await has(seen, ['places-1']);
    const wrong = await opened.register(url, createEndpoint(2), { credentials: { username, password: 'guess' } });
    await expect(wrong.registrar.registered).rejects.toThrow(/: 401 /);
    const none = await opened.follow(url);
    await until('it says why', () => none.source.status().error?.includes(': 401 ') === true);
    expect([none.source.status().error?.includes(password), none.set.size]).toEqual([false, 0]);
  });
});
