import { endpointKey } from '@bascule/core';
import { canStart, startConsul, type ConsulServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEndpoint, SERVICE } from '../contract/endpoints.ts';
import { createConsulHand, type ConsulHand } from './consul-hand.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

const TTL = (id: string, status: string) => ({ CheckID: id, Name: id, TTL: '600s', Status: status });

describe.skipIf(!canStart('consul'))('a Consul of others', () => {
  let server: ConsulServer;
  let hand: ConsulHand;
  beforeAll(async () => {
    server = await startConsul();
    hand = createConsulHand(server.url);
  });
  afterAll(() => server?.stop());

  const url = (path = ''): string => `consul://${server.address}${path}`;

  it('needs nothing of ours to be usable', async () => {
    await hand.register({
      Name: 'web',
      ID: 'w1',
      Port: 8080,
      Tags: ['blue', 'version=2'],
      Meta: { team: 'a' },
      Weights: { Passing: 7, Warning: 2 },
    });
    const seen = await opened.follow(url('/web'), {
      defaults: { services: ['demo.Web'], protocol: 'connect', codecs: ['proto', 'json'] },
    });
    await has(seen, ['test@w1']);
    expect(seen.endpoints()).toEqual([
      createEndpoint(0, {
        instanceId: 'test@w1',
        incarnation: 1,
        host: '127.0.0.1',
        port: 8080,
        protocol: 'connect',
        codecs: ['proto', 'json'],
        weight: 7,
        zone: 'dc1',
        services: ['demo.Web'],
        labels: { 'tag/blue': '', version: '2', team: 'a' },
      }),
    ]);
  });

  it('tells the service by its name where that is one, and the port of gRPC where it is told', async () => {
    await hand.register({
      Name: 'demo.v1.Echo',
      ID: 'e1',
      Address: '10.1.1.1',
      Port: 8080,
      Meta: { gRPC_port: '9090' },
    });
    const seen = await opened.follow(url('/demo.v1.Echo'));
    await has(seen, ['test@e1']);
    expect(seen.endpoints()[0]).toMatchObject({ host: '10.1.1.1', port: 9090, services: ['demo.v1.Echo'] });
  });

  it('says how instances are', async () => {
    const weights = { Passing: 50, Warning: 5 };
    await hand.register({
      Name: 'sick',
      ID: 's1',
      Port: 1,
      Weights: weights,
      Checks: [TTL('c1', 'passing'), TTL('c2', 'passing')],
    });
    await hand.register({ Name: 'sick', ID: 's2', Port: 2 });
    const seen = await opened.follow(url('/sick'));
    await has(seen, ['test@s1', 'test@s2']);
    const state = (): unknown => [seen.set.get('test@s1#1')?.weight, seen.set.get('test@s1#1')?.health];
    expect(state()).toEqual([50, undefined]);
    const steps: [string, object | undefined, unknown][] = [
      ['/v1/agent/check/warn/c2', undefined, [5, undefined]],
      ['/v1/agent/check/fail/c1', undefined, [50, 'failing']],
      ['/v1/agent/service/maintenance/s1?enable=true', undefined, [50, 'failing']],
      ['/v1/agent/check/pass/c1', undefined, [50, 'draining']],
      ['/v1/agent/service/maintenance/s1?enable=false', undefined, [5, undefined]],
      ['/v1/agent/maintenance?enable=true', undefined, [50, 'draining']],
      ['/v1/agent/maintenance?enable=false', undefined, [5, undefined]],
      ['/v1/agent/check/pass/c2', undefined, [50, undefined]],
    ];
    for (const [path, body, expected] of steps) {
      await hand.put(path, body);
      await expect.poll(state).toEqual(expected);
    }
    expect([seen.removals(), seen.broken]).toEqual([[], []]);
  });

  it('is followed whole when the URL names no service, and what comes later with it', async () => {
    await hand.register({ Name: 'all-one', ID: 'one', Port: 1 });
    await hand.register({ Name: 'all-two', ID: 'two', Port: 2 });
    const seen = await opened.follow(url());
    await until('both are seen', () => seen.set.has('test@one#1') && seen.set.has('test@two#1'));
    expect([...seen.set.keys()].filter((key) => key.includes('consul'))).toEqual([]);
    await hand.register({ Name: 'all-three', ID: 'three', Port: 3 });
    await until('a new service is seen', () => seen.set.has('test@three#1'));
    await hand.deregister('two');
    await until('who was its service alone is doubted', () => seen.doubted.has('test@two#1'));
    await hand.register({ Name: 'all-two', ID: 'two', Port: 2 });
    await until('it is back', () => !seen.doubted.has('test@two#1'));
    expect([seen.removals(), seen.broken]).toEqual([[], []]);
  });

  it('is followed in turns where it has more services than connections', async () => {
    const ids = Array.from({ length: 130 }, (_, number) => `many-${number}`);
    for (const id of ids) await hand.register({ Name: id, ID: id, Port: 1 });
    const seen = await opened.follow(url());
    const has = (): boolean => ids.every((id) => seen.set.has(`test@${id}#1`));
    await until('all are seen', has);
    await hand.put('/v1/agent/service/maintenance/many-129?enable=true');
    await until('news of the last is seen', () => seen.set.get('test@many-129#1')?.health === 'draining');
    expect(seen.source.status().state).toBe('connected');
    for (const id of ids) await hand.deregister(id);
  });

  it('follows those with all of some tags, and registers with them', async () => {
    const tagged = `${url('/tagged')}?tag=blue&tag=eu`;
    const seen = await opened.follow(tagged);
    await hand.register({ Name: 'tagged', ID: 't1', Port: 1, Tags: ['blue'] });
    await opened.register(tagged, createEndpoint(1));
    await has(seen, ['places-1']);
    expect(seen.endpoints()[0]?.labels).toEqual({ 'tag/blue': '', 'tag/eu': '' });
  });

  it('carries what does not fit its metadata as it is', async () => {
    const services = Array.from({ length: 100 }, (_, number) => `demo.packages.number${number}.v1.SomeService`);
    const labels = { 'a.b/c_d': '1', 'consul-x': '2', under_score: '3', _: '4' };
    const { _: __, ...sound } = labels;
    const endpoint = createEndpoint(1, { services, labels: sound, zone: 'z' });
    await opened.register(url('/large'), endpoint);
    const seen = await opened.follow(url('/large'));
    await has(seen, ['places-1']);
    expect(seen.endpoints()).toEqual([endpoint]);
    expect((await hand.service('places-1')).Meta).toMatchObject({
      under_score: '3',
      'bascule-services-2': expect.any(String),
    });
  });

  it.each<[string, Record<string, string>, RegExp]>([
    ['a long value', { k: 'ü'.repeat(300) }, /^"k" makes 1 and 600 bytes .* takes keys of 128 and values of 512/],
    ['a long key', { ['a.'.repeat(60)]: '' }, /makes 254 and 0 bytes/],
    [
      'many labels',
      Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`k${n}`, ''])),
      /make 69 pairs .* takes 64/,
    ],
  ])('%s is refused with words', async (_, labels, words) => {
    const { registrar, events } = await opened.register(url(), createEndpoint(1, { labels }));
    await expect(registrar.registered).rejects.toThrow(words);
    expect(events.map(({ type }) => type)).toEqual(['rejected']);
  });

  it('refuses what is no address, in its own words', async () => {
    const { registrar } = await opened.register(url(), createEndpoint(1, { host: '0.0.0.0' }));
    await expect(registrar.registered).rejects.toThrow(/400 "Invalid service address"/);
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
    expect(await hand.service('places-1')).toMatchObject({ Port: 5 });
    expect(seen.set.get(endpointKey(newer))).not.toHaveProperty('health');
    expect(seen.removals()).toEqual([`remove ${endpointKey(older)} replaced`]);
    const checks = Object.keys((await hand.get('/v1/agent/checks?filter=ServiceID=="places-1"')) as object);
    expect(checks).toEqual(['bascule:places-1:5']);
  });

  it("keeps an operator's maintenance over restarts of the instance, and ends its own", async () => {
    const first = await opened.register(url('/upkeep'), createEndpoint(1));
    await first.registrar.registered;
    await hand.put('/v1/agent/service/maintenance/places-1?enable=true&reason=by+hand');
    const again = createEndpoint(1, { incarnation: 8 });
    const { registrar } = await opened.register(url('/upkeep'), again);
    await registrar.registered;
    const seen = await opened.follow(url('/upkeep'));
    await until('it drains', () => seen.set.get(endpointKey(again))?.health === 'draining');
    await hand.put('/v1/agent/service/maintenance/places-1?enable=false');
    await until('it is well', () => seen.set.get(endpointKey(again))?.health === undefined);
    registrar.update({ health: 'draining' });
    await until('it drains by itself', () => seen.set.get(endpointKey(again))?.health === 'draining');
    registrar.update({ health: 'healthy' });
    await until('it is well again', () => seen.set.get(endpointKey(again))?.health === undefined);
  });
});

describe.skipIf(!canStart('consul'))('a Consul with access control lists', () => {
  let server: ConsulServer;
  beforeAll(async () => {
    server = await startConsul({ acl: true });
  });
  afterAll(() => server?.stop());

  const url = (path = ''): string => `consul://${server.address}${path}`;

  it('lets a token of a service register it and no other', async () => {
    const token = await server.serviceToken('places');
    const { registrar, events } = await opened.register(url('/places'), createEndpoint(1), { credentials: { token } });
    await registrar.registered;
    const other = await opened.register(url('/other'), createEndpoint(2), { credentials: { token } });
    await expect(other.registrar.registered).rejects.toThrow(/403 "Permission denied: Missing service:write on other"/);
    // It may not take over an id of a service that it has no rights for, either.
    const stranger = { token: await server.serviceToken('other') };
    const taking = await opened.register(url('/other'), createEndpoint(1, { incarnation: 9 }), {
      credentials: stranger,
    });
    await expect(taking.registrar.registered).rejects.toThrow(/403 "Permission denied/);
    const seen = await opened.follow(url('/places'), { credentials: { token: await server.readToken() } });
    await has(seen, ['places-1']);
    expect(seen.endpoints()[0]).toMatchObject({ incarnation: 7, services: [SERVICE] });
    expect(events.map(({ type }) => type)).toEqual(['registered']);
  });

  it('lets a token that reads register nothing', async () => {
    const credentials = { token: await server.readToken() };
    const { registrar } = await opened.register(url('/places'), createEndpoint(3), { credentials });
    await expect(registrar.registered).rejects.toThrow(/403 "Permission denied/);
  });

  it('says what may be wrong when there is no token', async () => {
    const whole = await opened.follow(url());
    const one = await opened.follow(url('/places'));
    await until('both warn', () => whole.warnings.length + one.warnings.length === 2);
    expect([whole.warnings, one.warnings]).toEqual([
      ['Consul: it lists no services at all: may the token read them?'],
      ['Consul: it tells nothing of places, which is also what it says to tokens that may not read it'],
    ]);
  });

  it('that lost its tokens is registered with again when they are back', async () => {
    const token = await server.serviceToken('places');
    const seen = await opened.follow(url('/places'), { credentials: { token } });
    const { registrar, events } = await opened.register(url('/places'), createEndpoint(4), {
      credentials: { token },
      ttlMs: 1_000,
    });
    await registrar.registered;
    await has(seen, ['places-4']);
    await server.restart({ empty: true });
    await until('it is registered again', () => events.filter(({ type }) => type === 'registered').length === 2);
    await until('it is told again', () => seen.source.status().state === 'connected' && seen.doubted.size === 0);
    expect([events.some(({ type }) => type === 'rejected'), seen.removals()]).toEqual([false, []]);
  });
});
