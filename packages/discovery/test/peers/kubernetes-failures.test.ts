import { systemClock, type Clock } from '@bascule/core';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCountingClock } from '../contract/counting-clock.ts';
import type { Recorded } from '../contract/recorder.ts';
import { has, Opened, until } from './follow.ts';
import { answerList, answerStatus, sliceOf, startApiStub, type ApiStub } from './kubernetes/api-stub.ts';

const opened = new Opened();
let api: ApiStub;

beforeEach(async () => {
  api = opened.add(await startApiStub());
});
afterEach(() => opened.closeAll());

function follow(clock: Clock = systemClock, watchSeconds = 60): Promise<Recorded> {
  return opened.follow(`kubernetes://${api.address}/bascule/places?watchSeconds=${watchSeconds}`, {
    credentials: { token: 'secret', tls: { ca: TEST_TLS.cert } },
    clock,
  });
}

async function followThree(clock?: Clock, watchSeconds?: number): Promise<Recorded> {
  api.list(answerList('10', [sliceOf('a', ['one', 'two']), sliceOf('b', ['three'])]));
  const seen = await follow(clock, watchSeconds);
  await has(seen, ['one', 'three', 'two']);
  await until('it watches', () => api.openWatches === 1);
  return seen;
}

/** Real time, only faster; the waits that were asked for can be looked at. */
function createWaitingClock(speed: number): Clock & { readonly waits: number[] } {
  const clock = createCountingClock(speed);
  const waits: number[] = [];
  return {
    ...clock,
    waits,
    after(delayMs, fn) {
      waits.push(delayMs);
      return clock.after(delayMs, fn);
    },
  };
}

describe('a history that is lost', () => {
  const GONE = { code: 410, reason: 'Expired', message: 'too old resource version: 10 (400)' };

  it.each([
    ['in the watch', () => api.tell('ERROR', { kind: 'Status', ...GONE })],
    ['by an early end', () => api.endWatches()],
  ])('%s is listed anew, without a word of trouble', async (_, lose) => {
    const seen = await followThree();
    api.list(answerList('400', [sliceOf('a', ['one', 'two', 'four'])]));
    lose();
    await has(seen, ['four', 'one', 'two']);
    expect([seen.removals(), seen.broken]).toEqual([['remove three#1 not-in-source'], []]);
    expect(seen.statuses.map(({ state }) => state)).toEqual(['connecting', 'connected']);
    expect([api.lists, api.watchedFrom.at(-1)]).toEqual([2, '400']);
  });

  it('by a refused watch is listed anew, with growing waits', async () => {
    api.list(answerList('10', [sliceOf('a', ['one'])]));
    api.watch(answerStatus(410, GONE.message));
    const clock = createWaitingClock(20);
    const seen = await follow(clock);
    await until('it has tried five times', () => api.lists >= 5);
    const waits = clock.waits.filter((ms) => ms < 9_000).slice(0, 4);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(waits[0]).toBeGreaterThanOrEqual(400);
    expect(seen.set.size).toBe(0);
  });
});

describe('a list that lacks somebody', () => {
  const relist = async (list: Parameters<ApiStub['list']>[0]): Promise<void> => {
    api.list(list);
    api.endWatches();
    await until('it has listed again', () => api.lists === 2 && api.openWatches === 1);
  };

  it('with most of all is believed when the watch that follows ends without them', async () => {
    const seen = await followThree(systemClock, 2);
    await relist(answerList('400', [sliceOf('a', ['one'])]));
    await until('they are doubted', () => seen.doubted.size === 2);
    expect(seen.removals()).toEqual([]);
    await has(seen, ['one']);
    expect(new Set(seen.removals())).toEqual(new Set(['remove two#1 not-in-source', 'remove three#1 not-in-source']));
  });

  it.each([
    ['at a lower version, so the store was restored', answerList('9', [sliceOf('a', ['one', 'two'])])],
    ['in slices that were all made anew', answerList('400', [sliceOf('a', ['one', 'two'], { uid: 'other' })])],
    ['altogether', answerList('400', [])],
  ])('%s, is doubted and no more', async (_, list) => {
    const seen = await followThree(systemClock, 2);
    await relist(list);
    await until('it is doubted', () => seen.doubted.has('three#1'));
    // The words that would confirm a removal in the same history.
    await until('it has watched on', () => api.watchedFrom.length >= 4);
    expect([seen.endpoints().length, seen.removals(), seen.broken]).toEqual([3, [], []]);
  });
});

describe('a store that was wiped', () => {
  it('is known as such even when the first watch of it fails', async () => {
    const seen = await followThree();
    api.list(answerList('400', [sliceOf('c', ['four'])]));
    api.watch(answerStatus(500, 'not yet'));
    api.endWatches();
    await until('it is told', () => seen.statuses.some(({ error }) => error?.includes('not yet')));
    api.watch((response) => response.writeHead(200).flushHeaders());
    await has(seen, ['four', 'one', 'three', 'two']);
    expect([seen.doubted.size, seen.removals(), seen.broken]).toEqual([3, [], []]);
  });
});

describe('an API server in trouble', () => {
  it('is left alone for as long as it asks', async () => {
    const clock = createWaitingClock(20);
    api.list(answerStatus(429, 'Too many requests, please try again later.', { 'retry-after': '7' }));
    const seen = await follow(clock);
    await until('it has tried twice', () => api.lists === 2);
    expect(clock.waits.some((ms) => ms > 4_000 && ms <= 7_000)).toBe(true);
    expect(seen.source.status().error).toContain('429: it has too much to do (Too many requests');
  });

  it.each([
    ['an error', answerStatus(500, 'etcdserver: leader changed'), '500 (etcdserver: leader changed)'],
    [
      'a page of a proxy',
      (response) => void response.writeHead(502).end('<html>\u001b[31mBad\r\nGateway</html>'),
      '502 (<html> [31mBad Gateway</html>)',
    ],
    ['no JSON', (response) => void response.end('{"items": ['), 'what is no JSON'],
    ['no list', (response) => void response.end('{}'), 'without its version'],
    [
      'half an answer',
      (response) => void response.writeHead(200, { 'content-length': '9', connection: 'close' }).end('{'),
      'broke off',
    ],
    ['nothing', () => undefined, 'has been silent for 10000 ms'],
  ] satisfies [string, Parameters<ApiStub['list']>[0], string][])(
    'that answers a list with %s',
    async (_, list, words) => {
      const seen = await followThree(createCountingClock(20));
      api.list(list);
      api.endWatches();
      await until('it is told', () => seen.source.status().error?.includes(words) === true);
      expect([seen.endpoints().length, seen.removals(), seen.doubted.size]).toEqual([3, [], 0]);
      api.list(answerList('11', [sliceOf('a', ['one', 'two']), sliceOf('b', ['three', 'four'])]));
      await has(seen, ['four', 'one', 'three', 'two']);
      expect(seen.broken).toEqual([]);
    },
  );

  it.each([
    ['a change of an unknown kind', () => api.tell('RENAMED', sliceOf('a', [])), 'of type "RENAMED"'],
    ['a version that goes back', () => api.tell('MODIFIED', sliceOf('a', ['one'], { version: '3' })), 'went back'],
    ['a slice without a name', () => api.tell('MODIFIED', { metadata: {} }), 'without a name'],
    ['an error of its own', () => api.tell('ERROR', { code: 500, message: 'oh' }), 'refuses to watch'],
    ['no JSON', () => api.tellRaw('<html>'), 'what is no JSON'],
  ])('that tells of %s', async (_, tell, words) => {
    const seen = await followThree();
    tell();
    await until('it is told', () => seen.statuses.some(({ error }) => error?.includes(words)));
    await until('it is connected', () => seen.source.status().state === 'connected');
    expect([seen.endpoints().length, seen.removals(), seen.broken]).toEqual([3, [], []]);
  });

  it('that never ends a line costs no more than 8 MiB', async () => {
    const seen = await followThree();
    const part = Buffer.alloc(1 << 20, ' ');
    let sent = 0;
    api.watch((response) => {
      response.writeHead(200);
      const write = (): void => {
        while (sent < 64 && !response.destroyed && response.write(part)) sent++;
        if (sent < 64 && !response.destroyed) response.once('drain', write);
      };
      write();
    });
    api.endWatches();
    await until('it is told', () => seen.statuses.some(({ error }) => error?.includes('does not end')));
    expect(sent).toBeLessThan(40);
    expect(seen.removals()).toEqual([]);
  });

  it('that lets a watch hang is noticed', async () => {
    const seen = await followThree(createCountingClock(20), 20);
    // Twenty times as fast, the watch is over long before the API server would end it.
    await until('it is told', () => seen.source.status().error?.includes('has been silent') === true);
    expect(seen.set.size).toBe(3);
  });
});

describe('garbage in a slice', () => {
  it('keeps what was known of an instance, and of a whole slice', async () => {
    const seen = await followThree();
    const broken = { ...sliceOf('a', ['one', 'two'], { version: '11' }), ports: [] };
    api.tell('MODIFIED', broken);
    await until('it is warned', () => seen.warnings.length === 1);
    expect(seen.warnings).toEqual(['EndpointSlice a: which port of none? Say port=']);
    const half = sliceOf('b', ['three', 'four'], { version: '12' }) as { endpoints: { addresses: unknown }[] };
    for (const endpoint of half.endpoints) endpoint.addresses = [{ of: 'no text' }];
    api.tell('MODIFIED', half);
    await until('it is warned', () => seen.warnings.length === 3);
    api.tell('MODIFIED', sliceOf('c', ['five'], { version: '13' }));
    await has(seen, ['five', 'one', 'three', 'two']);
    expect([seen.removals(), seen.broken]).toEqual([[], []]);
  });

  it.each([
    ['__proto__', { metadata: { name: 'a', annotations: JSON.parse('{"__proto__": "x", "tier": "gold"}') as object } }],
    ['lists for objects', { metadata: { name: 'a', labels: ['x'], annotations: 'tier' } }],
    ['null everywhere', { metadata: { name: 'a', labels: null }, conditions: null, targetRef: null }],
  ])('of the kind "%s" harms nothing', async (_, odd) => {
    const slice = { ...sliceOf('a', ['one']), ...odd };
    api.list(answerList('10', [slice, sliceOf('b', ['two']), null as unknown as object, 'x' as unknown as object]));
    const seen = await follow();
    await has(seen, ['one', 'two']);
    expect(Object.getPrototypeOf(seen.endpoints()[0]?.labels)).toBe(Object.prototype);
    expect(({} as Record<string, unknown>)['tier']).toBeUndefined();
  });
});
