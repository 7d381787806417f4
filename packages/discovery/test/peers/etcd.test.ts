import { canStart, startEtcd, startEtcdCluster, startRelay, type EtcdServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatRecord } from '../../src/peers/json-record.ts';
import { createEndpoint, DIGEST, SCHEMA } from '../contract/endpoints.ts';
import { createEtcdKeys, type EtcdKeys } from './etcd-keys.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('etcd'))('etcd', () => {
  let server: EtcdServer;
  let keys: EtcdKeys;
  let prefix = '';
  let tests = 0;

  beforeAll(async () => {
    server = await startEtcd();
    keys = createEtcdKeys(server.url);
  });
  afterAll(() => server.stop());

  const urlAt = (address: string): string => {
    prefix = `test-${++tests}`;
    return `etcd://${address}/${prefix}`;
  };
  const putRecord = (number: number, overrides: Parameters<typeof createEndpoint>[1] = {}): Promise<void> => {
    const endpoint = createEndpoint(number, overrides);
    return keys.put(`${prefix}/endpoints/${endpoint.instanceId}`, formatRecord(endpoint));
  };
  const eraseRecord = (number: number): Promise<void> => keys.erase(`${prefix}/endpoints/places-${number}`);

  it('tells who was deleted while the connection was cut, and that it is known', async () => {
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(urlAt(relay.address));
    for (const number of [1, 2, 3, 4]) await putRecord(number);
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4']);
    await relay.cut();
    // All but one, which nobody believes an answer without asking twice: the watch is believed at once.
    for (const number of [1, 2, 3]) await eraseRecord(number);
    await relay.restore();
    await has(seen, ['places-4']);
    expect(seen.removals().map((line) => line.split(' ')[2])).toEqual(Array(3).fill('deregistered'));
    expect(seen.broken).toEqual([]);
  });

  it('reads everything anew when the history it needs is compacted', async () => {
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(urlAt(relay.address));
    for (const number of [1, 2, 3]) await putRecord(number);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    await relay.cut();
    await eraseRecord(2);
    await putRecord(4);
    await keys.put('elsewhere', 'x');
    await keys.compact(await keys.revision());
    await relay.restore();
    await has(seen, ['places-1', 'places-3', 'places-4']);
    expect(seen.removals()).toEqual(['remove places-2#7 not-in-source']);
    // And goes on from there.
    await putRecord(5);
    await has(seen, ['places-1', 'places-3', 'places-4', 'places-5']);
    expect(seen.broken).toEqual([]);
  });

  it('looks twice before it believes that most have gone with the history', async () => {
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(urlAt(relay.address));
    for (const number of [1, 2, 3, 4, 5]) await putRecord(number);
    await until('all are seen', () => seen.set.size === 5);
    await relay.cut();
    for (const number of [1, 2, 3, 4]) await eraseRecord(number);
    await keys.compact(await keys.revision());
    await relay.restore();
    await has(seen, ['places-5']);
    expect(seen.log.filter((line) => line.startsWith('doubt'))).toHaveLength(4);
    expect(seen.broken).toEqual([]);
  });

  it('removes nobody when a wiped etcd has come further than the one it knew', async () => {
    await using wiped = await startEtcd();
    const wipedKeys = createEtcdKeys(wiped.url);
    const relay = opened.add(await startRelay(wiped.port));
    const seen = await opened.follow(`etcd://${relay.address}/p`);
    const put = (number: number): Promise<void> =>
      wipedKeys.put(`p/endpoints/places-${number}`, formatRecord(createEndpoint(number)));
    for (const number of [1, 2, 3]) await put(number);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    const before = await wipedKeys.revision();
    await relay.cut();
    await wiped.restart({ empty: true });
    while ((await wipedKeys.revision()) <= before + 5) await wipedKeys.put('junk', 'x');
    await put(2);
    await relay.restore();
    await until('the others are doubted', () => seen.doubted.size === 2);
    expect([[...seen.doubted.keys()], seen.removals()]).toEqual([['places-1#7', 'places-3#7'], []]);
    expect(seen.broken).toEqual([]);
  });

  it('catches up with more than one message holds', async () => {
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(urlAt(relay.address));
    await putRecord(0);
    await has(seen, ['places-0']);
    await relay.cut();
    const count = 500;
    // 500 records of 13 KB: etcd sends the events in fragments, and a page of records in one message would be too much.
    const labels = Object.fromEntries(Array.from({ length: 52 }, (_, index) => [`l${index}`, 'x'.repeat(240)]));
    for (let number = 1; number <= count; number++) await putRecord(number, { labels });
    await relay.restore();
    await until('all are seen', () => seen.set.size === count + 1);
    const late = await opened.follow(`etcd://${relay.address}/${prefix}`);
    await until('all are seen by who comes late', () => late.set.size === count + 1);
    expect([seen.broken, late.broken, seen.warnings, late.warnings]).toEqual([[], [], [], []]);
  });

  it('registers again when somebody ends the lease, and says so', async () => {
    const url = urlAt(server.address);
    const { events } = await opened.register(url, createEndpoint(1), { ttlMs: 2_000 });
    const seen = await opened.follow(url);
    await has(seen, ['places-1']);
    const { lease } = (await keys.get(`${prefix}/endpoints/places-1`)) as { lease: string };
    expect(lease).not.toBe('0');
    await keys.revoke(lease);
    await until('the loss is noticed', () => events.some(({ type }) => type === 'lease-lost'));
    await has(seen, ['places-1']);
    expect(seen.log).toEqual(['insert places-1#7', 'remove places-1#7 lease-expired', 'insert places-1#7']);
  });

  it('registers again when somebody deletes the record, or spoils it', async () => {
    const url = urlAt(server.address);
    await opened.register(url, createEndpoint(1), { ttlMs: 2_000 });
    const key = `${prefix}/endpoints/places-1`;
    const isThere = async (): Promise<boolean> => (await keys.get(key))?.value.includes('places-1') === true;
    await expect.poll(isThere).toBe(true);
    await keys.erase(key);
    await expect.poll(isThere).toBe(true);
    await keys.put(key, 'garbage');
    await expect.poll(isThere).toBe(true);
  });

  it('leaves nothing but the word of who left', async () => {
    const url = urlAt(server.address);
    const { registrar } = await opened.register(url, createEndpoint(1));
    await registrar.registered;
    expect(await keys.count(`${prefix}/`)).toBe(1);
    await registrar.close();
    expect([await keys.count(`${prefix}/`), await keys.get(`${prefix}/endpoints/~left`)]).toEqual([
      1,
      { value: 'places-1#7', lease: '0' },
    ]);
  });

  it('leaves the place to a newer process', async () => {
    const url = urlAt(server.address);
    const older = await opened.register(url, createEndpoint(1), { ttlMs: 2_000 });
    await older.registrar.registered;
    const newer = await opened.register(url, createEndpoint(1, { incarnation: 8, port: 40_000 }), { ttlMs: 2_000 });
    await newer.registrar.registered;
    await until('the older one is refused', () => older.events.at(-1)?.type === 'rejected');
    await older.registrar.close();
    const seen = await opened.follow(url);
    await has(seen, ['places-1']);
    expect([...seen.set.keys()]).toEqual(['places-1#8']);
  });

  it('carries descriptors, and refuses those that no key can hold', async () => {
    const url = urlAt(server.address);
    const endpoint = createEndpoint(1, { schemaDigest: DIGEST });
    await (
      await opened.register(url, endpoint, { schema: SCHEMA })
    ).registrar.registered;
    const seen = await opened.follow(url);
    await until('the descriptors come', () => seen.schemas.has(DIGEST));
    expect(seen.schemas.get(DIGEST)).toEqual(SCHEMA);
    const tooLarge = await opened.register(url, endpoint, { schema: new Uint8Array(2 * 1024 * 1024 + 1) });
    await expect(tooLarge.registrar.registered).rejects.toThrow('the descriptors have 2097153 bytes');
  });

  it('goes to the next member when one cannot be reached', async () => {
    const [first, second] = [await startRelay(server.port), await startRelay(server.port)].map((r) => opened.add(r));
    const url = urlAt(`${first?.address},${second?.address}`);
    const seen = await opened.follow(url);
    const { registrar } = await opened.register(url, createEndpoint(1), { ttlMs: 2_000 });
    await registrar.registered;
    await has(seen, ['places-1']);
    for (const [dead, alive] of [
      [first, second],
      [second, first],
    ] as const) {
      await alive?.restore();
      await dead?.cut();
      await putRecord(alive === first ? 2 : 3);
      await until('what is new is seen', () => seen.set.has(alive === first ? 'places-2#7' : 'places-3#7'));
    }
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  });

  describe('with records of others', () => {
    it('reads what the naming package writes, and bare addresses', async () => {
      const seen = await opened.follow(`${urlAt(server.address)}?layout=naming`);
      await until('connected', () => seen.source.status().state === 'connected');
      expect(seen.warnings).toEqual([expect.stringContaining(`no key of etcd begins with ${prefix}/ yet`)]);
      await keys.put(`${prefix}/10.0.0.1:80`, '{"Op":0,"Addr":"10.0.0.1:80","Metadata":{"bascule-zone":"z","a":"b"}}');
      await keys.put(`${prefix}/nodes/2`, '[2001:db8::1]:8080');
      await keys.put(`${prefix}/3`, 'http://api.test:9000/');
      await until('all are seen', () => seen.set.size === 3);
      const [one, three, two] = seen.endpoints();
      expect(one).toMatchObject({ host: '10.0.0.1', port: 80, zone: 'z', labels: { a: 'b' } });
      expect(three).toMatchObject({ instanceId: '3', host: 'api.test', port: 9_000 });
      expect(two).toMatchObject({ instanceId: 'nodes.2', host: '2001:db8::1', port: 8_080, protocol: 'grpc' });
      await keys.put(`${prefix}/bad`, '{"Addr":7}');
      await keys.erase(`${prefix}/3`);
      await until('it is gone', () => seen.set.size === 2);
      expect(seen.warnings.at(-1)).toContain('"Addr" is no text');
      expect(seen.broken).toEqual([]);
    });

    it('knows a record that was deleted and written again as a new process', async () => {
      const seen = await opened.follow(`${urlAt(server.address)}?layout=naming`);
      const key = `${prefix}/a`;
      await keys.put(key, '10.0.0.1:80');
      await until('it is seen', () => seen.set.size === 1);
      await keys.put(key, '10.0.0.1:81');
      await until('it has changed', () => seen.endpoints()[0]?.port === 81);
      await keys.erase(key);
      await keys.put(key, '10.0.0.1:82');
      await until('it is back', () => seen.endpoints()[0]?.port === 82);
      expect(seen.log.map((line) => line.split(' ')[0])).toEqual(['insert', 'update', 'remove', 'insert']);
    });

    it('cannot be registered with', async () => {
      await expect(opened.register('etcd://127.0.0.1:1/x?layout=naming', createEndpoint(1))).rejects.toThrow(
        'layout=naming can be read, not written',
      );
    });
  });
});

describe.skipIf(!canStart('etcd'))('etcd with authentication', () => {
  let server: EtcdServer;
  beforeAll(async () => {
    server = await startEtcd({ auth: true });
  });
  afterAll(() => server.stop());

  const limited = () => ({ username: server.limited?.user ?? '', password: server.limited?.password ?? '' });
  const errorOf = async (url: string, credentials: object): Promise<string> => {
    const seen = await opened.follow(url, { credentials });
    await until('it is refused', () => seen.source.status().error !== undefined);
    return seen.source.status().error ?? '';
  };

  it('serves whoever may, also after a restart that has forgotten all tokens', async () => {
    const url = `etcd://${server.address}//bascule`;
    const credentials = limited();
    const { registrar, events } = await opened.register(url, createEndpoint(1), { credentials, ttlMs: 2_000 });
    await registrar.registered;
    const seen = await opened.follow(url, { credentials });
    await has(seen, ['places-1']);
    await server.restart();
    await opened.register(url, createEndpoint(2), { credentials, ttlMs: 2_000 });
    await has(seen, ['places-1', 'places-2']);
    await registrar.close();
    await has(seen, ['places-2']);
    expect(events.filter(({ type }) => type === 'lease-lost')).toEqual([]);
    expect(seen.removals()).toEqual(['remove places-1#7 deregistered']);
  });

  it('says what is missing', async () => {
    const url = `etcd://${server.address}//bascule`;
    expect(await errorOf(url, {})).toContain('asks for a username and a password, and none are given');
    expect(await errorOf(url, { ...limited(), password: 'x' })).toContain('refuses the password of the user "bascule"');
    expect(await errorOf(`etcd://${server.address}/elsewhere`, limited())).toMatch(
      /does not let the user "bascule" do that .*: grant a role for the prefix/,
    );
    expect(await errorOf(url, { token: 'made-up' })).toContain('refuses the token');
  });

  it('says it to who registers as well, and goes on when rights are given', async () => {
    const { events } = await opened.register(`etcd://${server.address}/elsewhere`, createEndpoint(1), {
      credentials: limited(),
    });
    await until('it is refused', () => events.length > 0);
    expect(events[0]).toMatchObject({ type: 'retrying', error: expect.stringContaining('does not let the user') });
  });

  it('needs no password where everybody may do everything', async () => {
    await using open = await startEtcd();
    const credentials = { username: 'anybody', password: 'anything' };
    const url = `etcd://${open.address}/x`;
    await (
      await opened.register(url, createEndpoint(1), { credentials })
    ).registrar.registered;
    await has(await opened.follow(url, { credentials }), ['places-1']);
  });
});

describe.skipIf(!canStart('etcd'))('a cluster of etcd', () => {
  it('loses nobody and nothing when its leader dies, and when it is down to one that knows no better', async () => {
    await using cluster = await startEtcdCluster();
    const url = `etcd://${cluster.members.map(({ address }) => address).join()}/c`;
    const registrars = await Promise.all(
      [1, 2, 3].map((number) => opened.register(url, createEndpoint(number), { ttlMs: 10_000 })),
    );
    const seen = await opened.follow(url);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    const leader = await cluster.leader();
    await leader.kill();
    await opened.register(url, createEndpoint(4), { ttlMs: 10_000 });
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4']);
    const [follower] = cluster.members.filter((member) => member !== leader);
    await follower?.kill();
    // The one that is left could not know what the others agree on.
    await until('the rest is not believed', () => seen.source.status().state === 'stale');
    expect(seen.endpoints()).toHaveLength(4);
    await Promise.all([leader.restart(), follower?.restart()]);
    await opened.register(url, createEndpoint(5), { ttlMs: 10_000 });
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4', 'places-5']);
    expect(seen.removals()).toEqual([]);
    expect(registrars.flatMap(({ events }) => events).filter(({ type }) => type === 'lease-lost')).toEqual([]);
    await registrars[0]?.registrar.close();
    await has(seen, ['places-2', 'places-3', 'places-4', 'places-5']);
    expect(seen.broken).toEqual([]);
  });
});

describe('a URL of etcd', () => {
  it.each([
    ['etcd://h/x?leyout=naming', 'etcd knows ?layout=naming only, not "leyout"'],
    ['etcd://h/x?layout=other', 'layout must be naming or left out'],
    ['etcd://h:0/x', 'write host:port'],
    ['etcd://h1:1,,h2:2/x', 'write host:port'],
    ['etcd://user@h/x', 'credentials'],
  ])('%s is refused with words', async (url, words) => {
    await expect(opened.follow(url)).rejects.toThrow(words);
  });
});
