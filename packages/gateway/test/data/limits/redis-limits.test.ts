import { sleep, systemClock, type RateLimit } from '@bascule/core';
import type { Taken } from '@bascule/layers';
import { canStart, startRedis, startRelay, type RedisServer } from '@bascule/testing/servers';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createRedisLimits, type RedisLimits, type RedisLimitsOptions } from '../../../src/data/limits/redis-limits.ts';

const clock = systemClock;
/** Slow enough that nothing comes back during a test. */
const LIMIT: RateLimit = { name: 'search', perSecond: 0.01, burst: 5 };
const WAIT = { interval: 5 };

let opened: RedisLimits[] = [];
let names = 0;

/** Buckets that no other test knows. */
const fresh = (limit: Partial<RateLimit> = {}): RateLimit => ({ ...LIMIT, name: `limit ${++names}`, ...limit });

interface Opened {
  readonly limits: RedisLimits;
  readonly changes: string[];
  readonly take: (key: string, limit: RateLimit) => Promise<Taken>;
}

function openLimits(url: string, options: Partial<RedisLimitsOptions> = {}): Opened {
  const changes: string[] = [];
  const limits = createRedisLimits({
    clock,
    url,
    // What the machine does beside the tests must not look like a Redis that is slow.
    timeoutMs: 3_000,
    onChange: (state, reason) => changes.push(`${state} ${reason}`.trim()),
    ...options,
  });
  opened.push(limits);
  return { limits, changes, take: async (key, limit) => limits.take(key, limit, clock.nowMs()) };
}

async function openUp(url: string, options: Partial<RedisLimitsOptions> = {}): Promise<Opened> {
  const made = openLimits(url, options);
  await expect.poll(() => made.limits.state, WAIT).toBe('up');
  return made;
}

afterEach(() => {
  for (const limits of opened) limits.close();
  opened = [];
});

describe.skipIf(!canStart('redis'))('createRedisLimits', () => {
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis();
  });

  afterAll(() => server.stop());

  it('counts over all who share it', async () => {
    const gateways = await Promise.all([1, 2, 3].map(() => openUp(server.url)));
    const limit = fresh({ burst: 10 });
    const taken = await Promise.all(Array.from({ length: 60 }, (_, i) => (gateways[i % 3] as Opened).take('a', limit)));
    expect(taken.filter(({ allowed }) => allowed)).toHaveLength(10);
    expect(
      taken
        .map(({ left }) => left)
        .toSorted((a, b) => b - a)
        .slice(0, 11),
    ).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]);
  });

  it('says when the next may come, and lets it come then', async () => {
    const { take } = await openUp(server.url);
    const limit = fresh({ perSecond: 1, burst: 1 });
    expect(await take('a', limit)).toEqual({ allowed: true, left: 0, retryAfterMs: 0 });
    const refused = await take('a', limit);
    expect(refused.allowed).toBe(false);
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(1_000);
    await sleep(clock, Math.ceil(refused.retryAfterMs) + 1);
    expect(await take('a', limit)).toMatchObject({ allowed: true });
  });

  it('keeps keys and names apart, with more in a turn than one command holds', async () => {
    const { take } = await openUp(server.url);
    const [one, other] = [fresh({ burst: 2 }), fresh({ burst: 2 })];
    const taken = await Promise.all(
      Array.from({ length: 300 }, (_, i) => take(`key ${i % 50}`, i % 2 === 0 ? one : other)),
    );
    expect(taken.filter(({ allowed }) => allowed)).toHaveLength(100);
    expect(await take('', one)).toMatchObject({ allowed: true });
  });

  it('writes no key of a caller, and nothing that stays', async () => {
    const { take } = await openUp(server.url, { prefix: 'test:' });
    const limit = fresh({ perSecond: 50, burst: 3 });
    await take('secret token', limit);
    expect(await server.ask('EVAL', "return #redis.call('KEYS', '*secret*')", '0')).toBe(':0');
    const key = `test:${limit.name}:*`;
    await expect.poll(() => server.ask('EVAL', `return #redis.call('KEYS', '${key}')`, '0'), WAIT).toBe(':0');
  });

  it('gives back what another limit refused', async () => {
    const { take, limits } = await openUp(server.url);
    const limit = fresh({ burst: 2 });
    await take('a', limit);
    await take('a', limit);
    limits.giveBack('a', limit);
    expect(await take('a', limit)).toMatchObject({ allowed: true });
    expect(await take('a', limit)).toMatchObject({ allowed: false });
    for (let i = 0; i < 5; i++) limits.giveBack('b', limit);
    expect(await take('b', limit)).toMatchObject({ left: 1 });
  });

  it('comes back from a script that was forgotten, without a call that fails', async () => {
    const { take, limits, changes } = await openUp(server.url);
    const limit = fresh();
    await server.ask('SCRIPT', 'FLUSH');
    expect(await take('a', limit)).toMatchObject({ allowed: true });
    await expect.poll(() => limits.state, WAIT).toBe('up');
    expect(changes[1]).toMatch(/^down NOSCRIPT/);
    expect(await take('a', limit)).toMatchObject({ allowed: true, left: 4 });
  });

  it('does not take a pause of its own for a fault of Redis', async () => {
    const { take, changes } = await openUp(server.url, { timeoutMs: 200 });
    const limit = fresh({ burst: 3 });
    for (const left of [2, 1, 0]) {
      const waiting = take('a', limit);
      await new Promise((resolve) => void setImmediate(resolve));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
      expect(await waiting).toMatchObject({ allowed: true, left });
    }
    expect(changes).toEqual(['up']);
  });

  it('decides here while it is away, by its share, and knows what was taken before', async () => {
    const own = await startRedis();
    try {
      const { take, limits, changes } = await openUp(own.url, { fallbackShare: 0.5 });
      const [limit, untouched] = [fresh({ burst: 8 }), fresh({ burst: 8 })];
      for (let i = 0; i < 3; i++) await take('a', limit);
      await own.kill();
      await expect.poll(() => limits.state, WAIT).toBe('down');
      const count = async (one: RateLimit): Promise<number> => {
        const taken = await Promise.all(Array.from({ length: 9 }, () => take('a', one)));
        return taken.filter(({ allowed }) => allowed).length;
      };
      expect(await count(limit)).toBe(1);
      expect(await count(untouched)).toBe(4);
      expect(limits.take('a', limit, clock.nowMs())).not.toBeInstanceOf(Promise);
      await own.restart();
      await expect.poll(() => limits.state, WAIT).toBe('up');
      expect(await count(limit)).toBe(8);
      // While it is away it may be told again, when what is wrong is something else.
      const states = changes.map((change) => change.split(' ')[0]);
      expect(states.filter((state, i) => state !== states[i - 1])).toEqual(['up', 'down', 'up']);
    } finally {
      await own.stop();
    }
  });

  it('is down from the start where nobody is, and says so once', async () => {
    const relay = await startRelay(server.port);
    await relay.cut();
    const { take, limits, changes } = openLimits(`redis://${relay.address}`);
    const limit = fresh({ burst: 2 });
    expect((await Promise.all([1, 2, 3].map(() => take('a', limit)))).map(({ allowed }) => allowed)).toEqual([
      true,
      true,
      false,
    ]);
    await expect.poll(() => changes.length, WAIT).toBe(1);
    await sleep(clock, 400);
    expect(changes).toHaveLength(1);
    expect(changes[0]).toMatch(/^down .*ECONNREFUSED/);
    await relay.restore();
    await expect.poll(() => limits.state, WAIT).toBe('up');
    limits.close();
    await expect.poll(() => relay.connections, WAIT).toBe(0);
    await relay.close();
  });

  it('stays down where nothing can be written, and decides here when that begins later', async () => {
    const own = await startRedis();
    try {
      const { take, changes } = await openUp(own.url);
      await own.ask('CONFIG', 'SET', 'min-replicas-to-write', '1');
      expect(await take('a', fresh())).toMatchObject({ allowed: true, left: 4 });
      await expect.poll(() => changes.length, WAIT).toBe(2);
      expect(changes[1]).toMatch(/^down .*NOREPLICAS/);
      const other = openLimits(own.url);
      await expect.poll(() => other.changes.length, WAIT).toBe(1);
      await sleep(clock, 300);
      expect([changes.length, other.changes.length]).toEqual([2, 1]);
    } finally {
      await own.stop();
    }
  });

  it('lets no more wait than it may', async () => {
    const relay = await startRelay(server.port);
    const { limits } = await openUp(`redis://${relay.address}`);
    const limit = fresh({ burst: 20_000 });
    relay.stall();
    const taken = Array.from({ length: 10_050 }, () => limits.take('a', limit, clock.nowMs()));
    expect(taken.filter((answer) => !(answer instanceof Promise))).toHaveLength(50);
    expect((await Promise.all(taken.map(async (answer) => answer))).every(({ allowed }) => allowed)).toBe(true);
    expect(limits.state).toBe('down');
    await relay.close();
  });

  it('leaves no connection behind when it is closed while it opens one', async () => {
    const relay = await startRelay(server.port);
    relay.stall();
    const { limits } = openLimits(`redis://${relay.address}`);
    await expect.poll(() => relay.connections, WAIT).toBe(1);
    limits.close();
    relay.unstall();
    await expect.poll(() => relay.connections, WAIT).toBe(0);
    await relay.close();
  });

  describe('with accounts', () => {
    let guarded: RedisServer;

    beforeAll(async () => {
      guarded = await startRedis({ auth: true, tls: true });
    });

    afterAll(() => guarded.stop());

    const urlFor = (password: string, database = ''): string =>
      `rediss://${guarded.credentials?.user}:${password}@localhost:${guarded.port}${database}`;

    it('logs in, over TLS, and takes its database', async () => {
      const { take } = await openUp(urlFor(guarded.credentials?.password ?? '', '/3'), { ca: TEST_TLS.cert });
      expect(await take('a', fresh())).toMatchObject({ allowed: true, left: 4 });
      expect(await guarded.ask('EVAL', "redis.call('SELECT', 3) return redis.call('DBSIZE')", '0')).toBe(':1');
    });

    it('stays down with a wrong password, and does not say it', async () => {
      const { changes, take } = openLimits(urlFor('wrong-password'), { ca: TEST_TLS.cert });
      await expect.poll(() => changes.length, WAIT).toBe(1);
      expect(changes[0]).toMatch(/^down WRONGPASS/);
      expect(changes.join()).not.toContain('wrong-password');
      expect(await take('a', fresh())).toMatchObject({ allowed: true });
    });

    it('stays down when it cannot trust who answers', async () => {
      const { changes } = openLimits(urlFor(guarded.credentials?.password ?? ''));
      await expect.poll(() => changes.length, WAIT).toBe(1);
      expect(changes[0]).toMatch(/^down .*self-signed/);
    });
  });
});
