import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { queryObjects } from 'node:v8';
import { askZookeeper, canStart, startRelay, startZookeeper, type ZookeeperServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { formatRecord } from '../../src/peers/json-record.ts';
import { CREATOR_ALL, exists } from '../../src/peers/zookeeper/operations.ts';
import { createCountingClock } from '../contract/counting-clock.ts';
import { createEndpoint, DIGEST, SCHEMA } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';
import { createZookeeperNodes, type ZookeeperNodes } from './zookeeper-nodes.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('zookeeper'))('ZooKeeper', () => {
  let server: ZookeeperServer;
  let nodes: ZookeeperNodes;
  let root = '';
  let tests = 0;

  beforeAll(async () => {
    server = await startZookeeper();
    nodes = createZookeeperNodes(server.address);
  });
  afterAll(async () => {
    await nodes.close();
    await server.stop();
  });
  beforeEach(() => {
    root = `/test-${++tests}`;
  });

  const putRecord = (number: number, overrides: Parameters<typeof createEndpoint>[1] = {}): Promise<void> =>
    nodes.put(`${root}/endpoints/places-${number}`, formatRecord(createEndpoint(number, overrides)));
  const eraseRecord = (number: number): Promise<void> => nodes.erase(`${root}/endpoints/places-${number}`);
  /** What the server itself says of ephemeral nodes below the root: which session has which. */
  async function ephemerals(): Promise<string[]> {
    const lines = (await askZookeeper(server.port, 'dump')).split('\n').map((line) => line.trim());
    let session = '';
    const found: string[] = [];
    for (const line of lines) {
      if (line.startsWith('0x')) session = line.replace(':', '');
      else if (line.startsWith(`${root}/`)) found.push(`${session} ${line}`);
    }
    return [...new Set(found)];
  }

  it('says of all who leave at once that they left', async () => {
    const url = `zookeeper://${server.address}${root}`;
    const seen = await opened.follow(url);
    const registrars = await Promise.all(
      Array.from({ length: 50 }, (_, number) => opened.register(url, createEndpoint(number))),
    );
    await until('all are seen', () => seen.set.size === 50);
    await Promise.all(registrars.map(({ registrar }) => registrar.close()));
    await has(seen, []);
    expect(seen.removals().filter((line) => !line.endsWith(' deregistered'))).toEqual([]);
    expect(await ephemerals()).toEqual([]);
  });

  it('makes the node once more when the session has expired, in a session of its own', async () => {
    const relay = opened.add(await startRelay(server.port));
    const url = `zookeeper://${relay.address}${root}`;
    const { events } = await opened.register(url, createEndpoint(1), { ttlMs: 1_000 });
    const seen = await opened.follow(`zookeeper://${server.address}${root}`);
    await has(seen, ['places-1']);
    const before = await ephemerals();
    expect(before).toEqual([expect.stringMatching(/^0x[0-9a-f]+ .*\/endpoints\/places-1$/)]);
    relay.stall();
    await has(seen, []);
    relay.unstall();
    await has(seen, ['places-1']);
    expect(events.map(({ type }) => type)).toContain('lease-lost');
    const after = await ephemerals();
    expect([after.length, after[0] === before[0]]).toEqual([1, false]);
    expect(seen.log).toEqual(['insert places-1#7', 'remove places-1#7 lease-expired', 'insert places-1#7']);
  });

  it('keeps session and node over a connection that breaks', async () => {
    const relay = opened.add(await startRelay(server.port));
    const url = `zookeeper://${relay.address}${root}`;
    const { registrar, events } = await opened.register(url, createEndpoint(1), { ttlMs: 3_000 });
    await registrar.registered;
    const before = await ephemerals();
    for (let times = 0; times < 5; times++) {
      await relay.cut();
      await relay.restore();
      await until('it is connected again', () => relay.connections === 1);
    }
    registrar.update({ weight: 3 });
    await expect.poll(() => nodes.get(`${root}/endpoints/places-1`)).toContain('"weight":3');
    expect(await ephemerals()).toEqual(before);
    expect(events.map(({ type }) => type)).not.toContain('lease-lost');
  });

  it('takes the place of the session of a process that was killed, without an empty moment', async () => {
    const url = `zookeeper://${server.address}${root}`;
    const relay = opened.add(await startRelay(server.port));
    const dead = await opened.register(`zookeeper://${relay.address}${root}`, createEndpoint(1));
    await dead.registrar.registered;
    const seen = await opened.follow(url);
    await has(seen, ['places-1']);
    relay.stall();
    await opened.register(url, createEndpoint(1, { incarnation: 8 }));
    await until('the new one is seen', () => seen.set.has('places-1#8'));
    expect(seen.log).toEqual(['insert places-1#7', 'insert places-1#8', 'remove places-1#7 replaced']);
    relay.unstall();
    await until('the old one is refused', () => dead.events.at(-1)?.type === 'rejected');
    await dead.registrar.close();
    await has(seen, ['places-1']);
    expect(seen.broken).toEqual([]);
  });

  it('tells what has happened while the connection was cut, and why', async () => {
    const relay = opened.add(await startRelay(server.port));
    for (const number of [1, 2, 3, 4]) await putRecord(number);
    const registered = await opened.register(`zookeeper://${server.address}${root}`, createEndpoint(9));
    const seen = await opened.follow(`zookeeper://${relay.address}${root}`);
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4', 'places-9']);
    await relay.cut();
    await until('the cut is noticed', () => seen.source.status().state === 'stale');
    // All but two: an answer without them would not be believed at once, a watch is.
    for (const number of [1, 2, 3]) await eraseRecord(number);
    await registered.registrar.close();
    await putRecord(3, { incarnation: 9 });
    await putRecord(4, { weight: 5 });
    await putRecord(5);
    await relay.restore();
    await has(seen, ['places-3', 'places-4', 'places-5']);
    expect(seen.endpoints().map(({ incarnation, weight }) => [incarnation, weight])).toEqual([
      [9, 1],
      [7, 5],
      [7, 1],
    ]);
    expect(seen.removals().sort()).toEqual([
      'remove places-1#7 deregistered',
      'remove places-2#7 deregistered',
      'remove places-3#7 replaced',
      'remove places-9#7 deregistered',
    ]);
    expect([seen.broken, seen.doubted.size]).toEqual([[], 0]);
  });

  it('waits for a folder that is not there, and doubts everybody when it was made anew', async () => {
    const seen = await opened.follow(`zookeeper://${server.address}${root}`);
    await until('connected', () => seen.source.status().state === 'connected');
    expect(seen.warnings).toEqual([
      `ZooKeeper has no node ${root}/endpoints yet: nobody is there until somebody makes it`,
    ]);
    for (const number of [1, 2, 3]) await putRecord(number);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    const relay = opened.add(await startRelay(server.port));
    const cut = await opened.follow(`zookeeper://${relay.address}${root}`);
    await has(cut, ['places-1', 'places-2', 'places-3']);
    await relay.cut();
    await until('the cut is noticed', () => cut.source.status().state === 'stale');
    for (const number of [1, 2, 3]) await eraseRecord(number);
    await nodes.erase(`${root}/endpoints`);
    await putRecord(2);
    await relay.restore();
    // Whoever has seen each one go knows; whoever finds another folder does not.
    await has(seen, ['places-2']);
    await until('the others are doubted', () => cut.doubted.size === 2);
    expect([cut.removals(), cut.broken, seen.broken]).toEqual([[], [], []]);
  });

  it('forgets a record that had turned to garbage, or was hidden, when it goes', async () => {
    for (const number of [1, 2, 3]) await putRecord(number);
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(`zookeeper://${relay.address}${root}`);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    await nodes.put(`${root}/endpoints/places-1`, 'x'.repeat(200_000));
    await until('the warning comes', () => seen.warnings.some((text) => text.includes('places-1')));
    const owner = opened.add(createZookeeperNodes(server.address, 'bob:secret-of-bob'));
    await relay.cut();
    await eraseRecord(2);
    await owner.put(`${root}/endpoints/places-2`, 'x', [CREATOR_ALL]);
    await relay.restore();
    await until('the warning comes', () => seen.warnings.some((text) => text.includes('places-2')));
    await has(seen, ['places-1', 'places-2', 'places-3']);
    await eraseRecord(1);
    await owner.erase(`${root}/endpoints/places-2`);
    await has(seen, ['places-3']);
    expect([seen.broken, seen.doubted.size]).toEqual([[], 0]);
  });

  it('keeps up with thousands, also after a cut', async () => {
    const count = 3_000;
    const paths = Array.from({ length: count }, (_, number) => number);
    await putRecord(0);
    await Promise.all(paths.slice(1).map((number) => putRecord(number)));
    const relay = opened.add(await startRelay(server.port));
    const seen = await opened.follow(`zookeeper://${relay.address}${root}`);
    await until('all are seen', () => seen.set.size === count);
    await relay.cut();
    await Promise.all(paths.slice(0, 2_000).map(eraseRecord));
    await relay.restore();
    await until('who left is gone', () => seen.set.size === 1_000);
    expect([seen.broken, seen.doubted.size]).toEqual([[], 0]);
  });

  it('keeps nothing of the news that it has heard', async () => {
    await putRecord(1);
    const seen = await opened.follow(`zookeeper://${server.address}${root}`);
    const hear = async (count: number): Promise<number> => {
      for (let weight = 1; weight <= count; weight++) {
        const before = seen.log.length;
        await putRecord(1, { weight: 1_000 + weight });
        // Not polled with expect, which keeps a promise of each question.
        while (seen.log.length === before) await setImmediate();
      }
      return queryObjects(Promise, { format: 'count' });
    };
    const before = await hear(20);
    // Whatever is kept of a piece of news, it holds a promise or two.
    expect((await hear(200)) - before).toBeLessThan(100);
  });

  it('leaves a node alone that a newer process has made', async () => {
    const url = `zookeeper://${server.address}${root}`;
    const newer = await opened.register(url, createEndpoint(1, { incarnation: 8 }));
    await newer.registrar.registered;
    const before = await nodes.run(exists(`${root}/endpoints/places-1`, false));
    const older = await opened.register(url, createEndpoint(1));
    await expect(older.registrar.registered).rejects.toThrow('places-1 is registered with incarnation 8, newer than 7');
    await older.registrar.close();
    expect(await nodes.run(exists(`${root}/endpoints/places-1`, false))).toEqual(before);
  });

  it('carries descriptors, and refuses those that no node can hold', async () => {
    const url = `zookeeper://${server.address}${root}`;
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

  it('goes to the next server when one cannot be reached', async () => {
    const relays = [opened.add(await startRelay(server.port)), opened.add(await startRelay(server.port))];
    const [first, second] = relays as [(typeof relays)[0], (typeof relays)[0]];
    const url = `zookeeper://${first.address},${second.address}${root}`;
    const { registrar, events } = await opened.register(url, createEndpoint(1), { ttlMs: 4_000 });
    await registrar.registered;
    const seen = await opened.follow(url);
    await has(seen, ['places-1']);
    await first.cut();
    await putRecord(2);
    await has(seen, ['places-1', 'places-2']);
    await first.restore();
    await second.cut();
    await putRecord(3);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    expect([seen.broken, seen.removals(), events.map(({ type }) => type)]).toEqual([[], [], ['registered']]);
  });

  describe('with ACLs', () => {
    const alice = { username: 'alice', password: 'secret-of-alice' };
    const mallory = { username: 'mallory', password: 'guess' };

    it('lets only whoever made the nodes write them, and everybody read', async () => {
      const url = `zookeeper://${server.address}${root}`;
      const registered = await opened.register(url, createEndpoint(1), { credentials: alice });
      await registered.registrar.registered;
      await has(await opened.follow(url), ['places-1']);
      const other = await opened.register(url, createEndpoint(2), { credentials: mallory });
      await until('it is refused', () => other.events.length > 0);
      const words = `ZooKeeper, ${root}/endpoints/places-2: the ACL of the node or of its parent does not let us`;
      expect(other.events[0]).toMatchObject({ type: 'retrying', error: expect.stringContaining(words) });
      await expect(nodes.erase(`${root}/endpoints/places-1`)).rejects.toThrow('the ACL of the node');
      await registered.registrar.close();
      expect(registered.events.at(-1)).toEqual({ type: 'deregistered' });
    });

    it('hides everything with worldRead=false', async () => {
      const url = `zookeeper://${server.address}${root}?worldRead=false`;
      await (
        await opened.register(url, createEndpoint(1), { credentials: alice })
      ).registrar.registered;
      await has(await opened.follow(url, { credentials: alice }), ['places-1']);
      const blind = await opened.follow(url);
      await until('it is refused', () => blind.source.status().error !== undefined);
      expect(blind.source.status().error).toContain(`ZooKeeper, ${root}/endpoints: the ACL of the node`);
    });

    it('goes on beside a record that it may not read', async () => {
      const owner = opened.add(createZookeeperNodes(server.address, 'bob:secret-of-bob'));
      await putRecord(1);
      await owner.put(`${root}/endpoints/hidden`, 'x', [CREATOR_ALL]);
      const seen = await opened.follow(`zookeeper://${server.address}${root}`);
      await putRecord(2);
      await has(seen, ['places-1', 'places-2']);
      expect(seen.warnings).toEqual([`the ACL of "${root}/endpoints/hidden" in ZooKeeper does not let us read it`]);
    });

    it('says that a server wants credentials, and serves whoever has some', async () => {
      await using locked = await startZookeeper({ auth: true });
      const url = `zookeeper://${locked.address}${root}`;
      const nobody = await opened.follow(url);
      await until('it is refused', () => nobody.source.status().error !== undefined);
      expect(nobody.source.status().error).toContain('the server wants credentials');
      await (
        await opened.register(url, createEndpoint(1), { credentials: alice })
      ).registrar.registered;
      await has(await opened.follow(url, { credentials: mallory }), ['places-1']);
    });
  });

  it('reads what Curator writes', async () => {
    const seen = await opened.follow(`zookeeper://${server.address}${root}/places?layout=curator`);
    const instance = { name: 'places', id: 'a', address: '10.0.0.1', port: 80, registrationTimeUTC: 1_700_000_000_000 };
    const metadata = { 'bascule-zone': 'z', tier: 'gold' };
    await nodes.put(`${root}/places/a`, JSON.stringify({ ...instance, payload: { metadata } }));
    await nodes.put(
      `${root}/places/b`,
      JSON.stringify({ ...instance, id: 'b', port: null, sslPort: 443, enabled: false }),
    );
    await nodes.put(`${root}/places/c`, '{"address": 7}');
    await has(seen, ['a', 'b']);
    const [a, b] = seen.endpoints();
    expect(a).toMatchObject({ incarnation: 1_700_000_000_000, host: '10.0.0.1', port: 80, zone: 'z' });
    expect(a?.labels).toEqual({ tier: 'gold' });
    expect(b).toMatchObject({ port: 443, health: 'draining' });
    await until('the warning comes', () => seen.warnings.some((text) => text.includes('"address" is no text')));
    await nodes.erase(`${root}/places/a`);
    await has(seen, ['b']);
    const named = await opened.follow(`zookeeper://${server.address}${root}/places?layout=curator`, {
      defaults: { services: [] },
    });
    await has(named, ['b']);
    expect(named.endpoints()[0]?.services).toEqual(['places']);
  });
});

describe('a server that is none', () => {
  /** Does with each connection what `serve` says. */
  async function pretend(serve: Parameters<typeof createServer>[1]): Promise<string> {
    const server = createServer(serve).listen(0, '127.0.0.1');
    await once(server, 'listening');
    opened.add({
      close: async () => {
        server.close();
        await once(server, 'close');
      },
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  const errorAt = async (address: string): Promise<string> => {
    const seen = await opened.follow(`zookeeper://${address}/x`, { clock: createCountingClock(10) });
    await until('it is given up', () => seen.source.status().error !== undefined);
    return seen.source.status().error ?? '';
  };

  it('and says nothing is noticed', async () => {
    const address = await pretend((socket) => void socket.on('error', () => undefined).resume());
    expect(await errorAt(address)).toBe(`ZooKeeper at ${address}: no answer within 5000 ms`);
  });

  it('and speaks HTTP is noticed', async () => {
    const address = await pretend((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    });
    expect(await errorAt(address)).toContain("is not ZooKeeper's");
  });

  it('and hangs up is noticed', async () => {
    const address = await pretend((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.end());
    });
    expect(await errorAt(address)).toContain('closes the connection instead of answering');
  });

  it('and is not there is noticed', async () => {
    expect(await errorAt('127.0.0.1:1')).toContain('ECONNREFUSED');
  });

  it('is told apart from a certificate of ours that is none', async () => {
    const credentials = { tls: { cert: 'no PEM', key: 'no PEM' } };
    const seen = await opened.follow('zookeeper+tls://127.0.0.1:1/x', { clock: createCountingClock(10), credentials });
    await until('it is given up', () => seen.source.status().error !== undefined);
    expect(seen.source.status().error).toMatch(/^ZooKeeper at 127.0.0.1:1: .*PEM/);
  });
});

describe('a URL of ZooKeeper', () => {
  it.each([
    ['zookeeper://h/x?timeout=3', '"timeout" is not one of layout, sessionTimeoutMs, worldRead'],
    ['zookeeper://h/x?layout=other', 'layout must be curator or left out'],
    ['zookeeper://h/x?worldRead=no', 'worldRead must be true or false'],
    ['zookeeper://h/x?sessionTimeoutMs=10', 'sessionTimeoutMs must be 1000 to 600000'],
    ['zookeeper://h//x', 'without empty parts'],
    ['zookeeper://h:99999999/x', 'is no URL'],
    ['zookeeper://h/x#y', 'behind "#"'],
    ['zookeeper://me:secret@h/x', 'names a user'],
  ])('%s is refused with words', async (url, words) => {
    const error = await opened.follow(url).then(
      () => '',
      (reason: unknown) => (reason as Error).message,
    );
    expect(error).toContain(words);
    expect(error).not.toContain('secret');
  });

  it('cannot be registered with in the layout of Curator', async () => {
    await expect(opened.register('zookeeper://h/x?layout=curator', createEndpoint(1))).rejects.toThrow(
      'layout=curator can be read, not written',
    );
  });

  it('takes no tokens, and nothing for TLS in the clear', async () => {
    await expect(opened.follow('zookeeper://h/x', { credentials: { token: 'a' } })).rejects.toThrow('knows no tokens');
    await expect(opened.follow('zookeeper://h/x', { credentials: { tls: {} } })).rejects.toThrow('zookeeper+tls://');
  });

  it('takes no user with a colon', async () => {
    await expect(opened.follow('zookeeper://h/x', { credentials: { username: 'a:b' } })).rejects.toThrow('no colon');
  });
});
