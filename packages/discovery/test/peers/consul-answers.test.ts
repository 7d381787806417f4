import { createVirtualClock } from '@bascule/core';
import { afterEach, describe, expect, it } from 'vitest';
import { createPace } from '../../src/peers/pace.ts';
import type { Recorded } from '../contract/recorder.ts';
import { entry, startFakeConsul, type FakeConsul, type Said } from './fake-consul.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

async function follow(said: Partial<Said> = {}, query = ''): Promise<{ consul: FakeConsul; seen: Recorded }> {
  const consul = opened.add(await startFakeConsul(said));
  const seen = await opened.follow(`consul://${consul.address}/web${query}`);
  return { consul, seen };
}

const NODE = 'node-1@';
const errorOf = (seen: Recorded): string => seen.source.status().error ?? '';

describe('what a Consul answers that is not well', () => {
  it.each<[string, Partial<Said>, RegExp]>([
    [
      'a server error',
      { instead: (response) => response.writeHead(500).end('No cluster leader') },
      /500 "No cluster leader"/,
    ],
    ['a rate limit', { instead: (response) => response.writeHead(429).end('Your IP is issuing too many') }, /429/],
    [
      'no JSON',
      { instead: (response) => response.writeHead(200, { 'x-consul-index': '11' }).end('<html>') },
      /no JSON: "<html>"/,
    ],
    ['no list', { index: 11, entries: { web: [] } }, /no list of web/],
    ['no index', { index: 'eleven' }, /without an index/],
    ['no leader', { index: 11, headers: { 'x-consul-knownleader': 'false' } }, /without a leader/],
    [
      'an old answer',
      { index: 11, headers: { 'x-consul-lastcontact': '10001' } },
      /not heard of its leader for 10001 ms/,
    ],
  ])('%s ends the session with words, and removes nobody', async (_, said, words) => {
    const { consul, seen } = await follow({ entries: [entry('a'), entry('b')] });
    await has(seen, [`${NODE}a`, `${NODE}b`]);
    consul.say({ ...said, ...(said.entries === undefined && { entries: [] }) });
    await until('it says why', () => words.test(errorOf(seen)));
    expect(seen.source.status().state).toBe('stale');
    consul.say({ index: 12, entries: [entry('a')], headers: {}, instead: undefined });
    await until('who left meanwhile is gone', () => seen.set.size === 1);
    await until('it is connected', () => seen.source.status().state === 'connected');
    expect(seen.log).toEqual([`insert ${NODE}a#1`, `insert ${NODE}b#1`, `remove ${NODE}b#1 not-in-source`]);
  });

  it('a leader that nobody knows ends the session', async () => {
    const { seen } = await follow({ leader: '' });
    await until('it says why', () => errorOf(seen) === 'Consul has no leader');
  });

  it('reads no endless answer', async () => {
    const { consul, seen } = await follow();
    await has(seen, [`${NODE}a`]);
    let isSending = true;
    consul.say({
      instead(response) {
        response.writeHead(200, { 'x-consul-index': '11' });
        const more = (): void => {
          while (!response.destroyed)
            if (!response.write(Buffer.alloc(1 << 20, ' '))) return void response.once('drain', more);
        };
        response.on('close', () => (isSending = false));
        more();
      },
    });
    await until('it says why', () => errorOf(seen).includes('has more than 67108864 bytes'));
    await until('the connection is closed', () => !isSending);
    consul.say({ instead: undefined });
    expect(seen.removals()).toEqual([]);
  });

  it('believes the view of Consul, which never knows a leader', async () => {
    const { consul, seen } = await follow({ entries: [entry('a'), entry('b')] });
    await has(seen, [`${NODE}a`, `${NODE}b`]);
    consul.say({
      index: 11,
      entries: [entry('a')],
      headers: { 'x-consul-knownleader': 'false', 'x-consul-query-backend': 'streaming' },
    });
    await has(seen, [`${NODE}a`]);
  });
});

describe("Consul's history", () => {
  it('begins anew when the index goes back, and is asked for from its beginning', async () => {
    const { consul, seen } = await follow({ index: 900, entries: [entry('a'), entry('b'), entry('c')] });
    await has(seen, [`${NODE}a`, `${NODE}b`, `${NODE}c`]);
    consul.say({ index: 20, entries: [entry('a'), entry('b')] });
    await until('who is missing is doubted', () => seen.doubted.has(`${NODE}c#1`));
    await until('it waits at the new index', () => consul.asked.at(-1)?.includes('index=20') === true);
    const queries = consul.asked.filter((line) => line.includes('/health/')).map((line) => line.split('?')[1]);
    expect(queries).toEqual([undefined, 'index=900&wait=300000ms', undefined, 'index=20&wait=300000ms']);
    // The new history never had it.
    consul.say({ index: 21, entries: [entry('a')] });
    await until('who left the new history is gone', () => !seen.set.has(`${NODE}b#1`));
    expect([seen.removals(), [...seen.doubted.keys()]]).toEqual([[`remove ${NODE}b#1 not-in-source`], [`${NODE}c#1`]]);
  });

  it('begins anew behind a loss when none of the old registrations is known, however far the index has come', async () => {
    const { consul, seen } = await follow({ entries: [entry('a'), entry('b'), entry('c')] });
    await until('all are seen', () => seen.set.size === 3);
    consul.say({ instead: (response) => response.writeHead(500).end() });
    await until('it is stale', () => seen.source.status().state === 'stale');
    const again = (id: string): object => entry(id, { service: { CreateIndex: 40 } });
    consul.say({ index: 41, entries: [again('a'), again('b')], instead: undefined });
    await until('who is missing is doubted', () => seen.doubted.has(`${NODE}c#1`));
    consul.say({ index: 42, entries: [again('a'), again('b'), again('d')] });
    await until('others go on', () => seen.set.size === 4);
    expect([seen.removals(), [...seen.doubted.keys()]]).toEqual([[], [`${NODE}c#1`]]);
  });

  it('notices beside a query that waits that the history has begun anew', async () => {
    const clock = createVirtualClock();
    const consul = opened.add(await startFakeConsul({ index: 900, entries: [entry('a'), entry('b')] }));
    const seen = await opened.follow(`consul://${consul.address}/web`, { clock });
    await has(seen, [`${NODE}a`, `${NODE}b`]);
    const advance = (isSo: boolean): boolean => {
      clock.advance(200);
      return isSo;
    };
    await until('it waits', () => advance(consul.asked.some((line) => line.includes('index=900'))));
    // As a server that has started anew: whoever waits for 901 waits on.
    consul.begin({ index: 20, entries: [entry('a')] });
    await until('it begins anew', () => advance(seen.doubted.has(`${NODE}b#1`)));
  });

  it('asks the leader once more when most are missing, and believes that', async () => {
    const { consul, seen } = await follow({ entries: ['a', 'b', 'c', 'd'].map((id) => entry(id)) });
    await until('all are seen', () => seen.set.size === 4);
    consul.say({ index: 11, entries: [entry('a')] });
    await until('they are doubted', () => seen.doubted.size === 3);
    await has(seen, [`${NODE}a`]);
    const queries = consul.asked.filter((line) => line.includes('/health/')).map((line) => line.split('?')[1]);
    expect(queries.slice(0, 3)).toEqual([undefined, 'index=10&wait=300000ms', 'consistent=&near=_agent']);
  });

  it('does not take lost rights for instances that left', async () => {
    const { consul, seen } = await follow({ entries: ['a', 'b', 'c'].map((id) => entry(id)) });
    await until('all are seen', () => seen.set.size === 3);
    const headers = { 'x-consul-results-filtered-by-acls': 'true' };
    consul.say({ index: 11, entries: [entry('a'), entry('b')], headers });
    await until('it is doubted', () => seen.doubted.size === 1);
    // These rights have not changed since.
    consul.say({ index: 12, entries: [entry('a')], headers });
    await until('who leaves now is gone', () => !seen.set.has(`${NODE}b#1`));
    expect([...seen.doubted.keys()]).toEqual([`${NODE}c#1`]);
  });

  it('warns when nothing is told and rights may be why', async () => {
    const { seen } = await follow({ entries: [], headers: { 'x-consul-default-acl-policy': 'deny' } });
    await until('it warns', () => seen.warnings.length > 0);
    expect(seen.warnings).toEqual([
      'Consul: it tells nothing of web, which is also what it says to tokens that may not read it',
    ]);
  });
});

describe('records of Consul', () => {
  it('of one id at two nodes are two instances, and of one instance of ours the newest', async () => {
    const other = { ID: 'm', Node: 'node_2', Address: '10.0.0.2' };
    const ours = (incarnation: string, status: string, node: object = {}): object => {
      const service = { Meta: { 'bascule-incarnation': incarnation, 'bascule-services': 'demo.A' } };
      return entry('ours', { node, service, checks: [{ CheckID: 'c', Status: status }] });
    };
    const entries = [
      entry('a'),
      entry('a', { node: other }),
      ours('7', 'passing'),
      ours('8', 'critical', other),
      ours('8', 'passing'),
    ];
    const { seen } = await follow({ entries: [...entries, ours('6', 'passing', other)] });
    await until('all are seen', () => seen.set.size === 3);
    expect([...seen.set.keys()].sort()).toEqual(['node-1@a#1', 'node:5f2@a#1', 'ours#8']);
    expect(seen.set.get('ours#8')).toMatchObject({ host: '10.0.0.1' });
    expect(seen.set.get('ours#8')).not.toHaveProperty('health');
  });

  it('that are garbage are named, and stop nobody else', async () => {
    const bad = [
      null,
      'text',
      { Service: { ID: 7 } },
      entry('no port', { service: { Port: 0 } }),
      entry('host', { service: { Address: 'a\nb' } }),
      entry('__proto__', { service: { Meta: JSON.parse('{"__proto__":"x","constructor":"y"}'), Port: 1e9 } }),
      entry('x'.repeat(400)),
    ];
    const { consul, seen } = await follow({ entries: [entry('a'), ...bad] });
    await has(seen, [`${NODE}a`]);
    expect(seen.warnings).toHaveLength(5);
    expect(seen.warnings[0]).toBe('Consul: 3 records of web have no id and cannot be read');
    expect(seen.warnings[1]).toMatch(/^Consul: the record of "node-1@no:20port" cannot be read: endpoint.port must be/);
    expect(({} as { x?: string }).x).toBeUndefined();
    consul.say({ index: 11, entries: [entry('a'), entry('b'), ...bad.slice(3)] });
    await has(seen, [`${NODE}a`, `${NODE}b`]);
    expect(seen.warnings).toHaveLength(5);
  });

  it('that cannot be labels cost no address', async () => {
    const Meta = {
      fine: 'yes',
      long: 'x'.repeat(300),
      'sp ace': '',
      ...Object.fromEntries(Array.from({ length: 70 }, (_, n) => [`m${n}`, ''])),
    };
    const Tags = ['blue', 'version=2', 'traefik.rule=Host(`a`)', 'bad\u202e', 7];
    const { seen } = await follow({ entries: [entry('a', { service: { Meta, Tags } })] });
    await has(seen, [`${NODE}a`]);
    const { labels } = seen.endpoints()[0] as { labels: Record<string, string> };
    expect(Object.keys(labels)).toHaveLength(64);
    expect(labels).toMatchObject({ 'tag/blue': '', version: '2', 'traefik.rule': 'Host(`a`)', fine: 'yes' });
    expect(labels).not.toHaveProperty('long');
  });

  it('are asked for as the URL says', async () => {
    const { consul, seen } = await follow(
      {},
      '?dc=dc2&tag=blue&tag=v%3D1&near=_agent&namespace=team&consistency=consistent',
    );
    await has(seen, [`${NODE}a`]);
    const query = consul.asked.find((line) => line.includes('/health/'))?.split('?')[1];
    expect(query).toBe('dc=dc2&ns=team&consistent=&near=_agent&tag=blue&tag=v%3D1');
  });

  it.each([
    ['consul://h/a/b', /service names/],
    ['consul://h/a,a', /each once/],
    ['consul://h/a?wait=5', /"wait" is none of dc, namespace/],
    ['consul://h/a?dc=', /"dc" is given without a value/],
    ['consul://h/a?dc=x&dc=y', /"dc" is given 2 times/],
    ['consul://h/a?consistency=stale', /must be default or consistent, and is "stale"/],
    ['consul://h/a?deregisterAfterMs=5', /60000 to 604800000 \(milliseconds\)/],
    ['consul://h/%ff', /"%ff" is not well encoded/],
    ['consul://me:secret@h/a', /names a user/],
  ])('%s is refused with words', async (url, words) => {
    await expect(opened.follow(url)).rejects.toThrow(words);
    await expect(opened.follow(url)).rejects.not.toThrow('secret');
  });

  it('takes no user and password', async () => {
    const credentials = { username: 'me', password: 'secret' };
    await expect(opened.follow('consul://h/a', { credentials })).rejects.toThrow(/give "token"/);
  });
});

describe('the pace of questions', () => {
  it('never makes news wait that came after silence, and slows down for answers without any', async () => {
    const clock = createVirtualClock(3);
    const pace = createPace(clock);
    const { signal } = new AbortController();
    const delayOf = async (answered: Parameters<typeof pace>[0]): Promise<number> => {
      const began = clock.nowMs();
      const waiting = pace(answered, signal);
      while (clock.pending() > 0) clock.advance(1);
      await waiting;
      return clock.nowMs() - began;
    };
    expect(await delayOf({ blockedMs: 5_000, isNews: true, handlingMs: 500 })).toBe(0);
    const news = await delayOf({ blockedMs: 1, isNews: true, handlingMs: 100 });
    expect([news > 390, news < 610]).toEqual([true, true]);
    const delays: number[] = [];
    for (let times = 0; times < 12; times++) delays.push(await delayOf({ blockedMs: 1, isNews: false, handlingMs: 1 }));
    expect(delays[0]).toBeLessThan(130);
    expect(Math.min(...delays.slice(-2))).toBeGreaterThan(7_900);
    expect(Math.max(...delays)).toBeLessThan(12_100);
  });
});
