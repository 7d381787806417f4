import { Code, createVirtualClock, type RateLimit, type RequestHead } from '@bascule/core';
import { fuzzing, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createLocalLimits } from '../src/rate-limit/local.ts';
import { networkOf } from '../src/rate-limit/peer-network.ts';
import { createRateLimitLayer } from '../src/rate-limit/rate-limit.ts';
import type { LimitStore, Taken } from '../src/rate-limit/store.ts';
import { bytesOf, createCallee, knownHead, OK, OK_HEAD, turn } from './rig.ts';

const LIMIT: RateLimit = { name: 'search', perSecond: 10, burst: 3 };

function headWith(rateLimits: readonly RateLimit[], peer = '10.0.0.1'): RequestHead {
  return knownHead('unknown', 'unary', { policy: { rateLimits }, peer });
}

/** What a store answers is decided later. */
function createSlowStore(): LimitStore & { answer(taken: Taken): void; readonly givenBack: string[] } {
  const waiting: ((taken: Taken) => void)[] = [];
  const givenBack: string[] = [];
  return {
    take: () => new Promise((resolve) => waiting.push(resolve)),
    giveBack: (_key, limit) => void givenBack.push(limit.name),
    answer: (taken) => waiting.splice(0).forEach((resolve) => resolve(taken)),
    givenBack,
  };
}

const YES: Taken = { allowed: true, left: 1, retryAfterMs: 0 };
const NO: Taken = { allowed: false, left: 0, retryAfterMs: 1_500 };

describe('createLocalLimits', () => {
  it.each([
    // perSecond, burst, calls at these times in ms, let through
    [10, 1, [0, 50, 99.9, 100, 150, 200], [true, false, false, true, false, true]],
    [10, 3, [0, 0, 0, 0, 100, 100, 1_000, 1_000, 1_000, 1_000], [1, 1, 1, 0, 1, 0, 1, 1, 1, 0].map(Boolean)],
    [3, 1, [0, 333, 333.34, 666.6, 666.68], [true, false, true, false, true]],
    [0.5, 1, [0, 1_999, 2_000], [true, false, true]],
    [1_000, 2.5, [0, 0, 0, 0.5, 1], [true, true, false, true, false]],
  ] as const)('lets %d a second through, %d at once', (perSecond, burst, timesMs, allowed) => {
    const store = createLocalLimits({ clock: createVirtualClock() });
    const limit = { name: 'x', perSecond, burst };
    expect(timesMs.map((nowMs) => (store.take('a', limit, nowMs) as Taken).allowed)).toEqual(allowed);
  });

  it('agrees with a bucket that is filled drop by drop, on a random walk', () => {
    const { seed, numRuns } = fuzzing(20);
    for (let run = 0; run < numRuns; run++) {
      const clock = createVirtualClock(seed + run);
      const store = createLocalLimits({ clock });
      const limit = { name: 'x', perSecond: 0.5 + clock.random() * 2_000, burst: 1 + Math.floor(clock.random() * 50) };
      let tokens = limit.burst;
      let nowMs = 0;
      for (let i = 0; i < 2_000; i++) {
        const passedMs = clock.random() < 0.5 ? 0 : (clock.random() * 4_000) / limit.perSecond;
        nowMs += passedMs;
        tokens = Math.min(limit.burst, tokens + (passedMs * limit.perSecond) / 1_000);
        const { allowed, left } = store.take('a', limit, nowMs) as Taken;
        // Where both are at the brink, the last bit of a sum may tell them apart.
        if (Math.abs(tokens - 1) > 1e-6) expect(allowed, `seed ${seed + run}`).toBe(tokens > 1);
        if (!allowed) continue;
        tokens -= 1;
        expect(Math.abs(left - tokens), `seed ${seed + run}`).toBeLessThan(1 + 1e-6);
      }
    }
  });

  it('says how many are left, and when the next may come', () => {
    const store = createLocalLimits({ clock: createVirtualClock() });
    const taken = Array.from({ length: 4 }, () => store.take('a', LIMIT, 5) as Taken);
    expect(taken.map(({ left }) => left)).toEqual([2, 1, 0, 0]);
    expect(taken[3]?.retryAfterMs).toBeCloseTo(100);
    expect(store.take('a', LIMIT, 5 + (taken[3] as Taken).retryAfterMs)).toMatchObject({ allowed: true });
  });

  it('keeps keys and names apart, and has one bucket for a name', () => {
    const store = createLocalLimits({ clock: createVirtualClock() });
    const one = { name: 'x', perSecond: 1, burst: 1 };
    const take = (key: string, name = 'x'): boolean => (store.take(key, { ...one, name }, 0) as Taken).allowed;
    expect([take('a'), take('a'), take('b'), take(''), take(''), take('a', 'y')]).toEqual([
      true,
      false,
      true,
      true,
      false,
      true,
    ]);
  });

  it('gives back what it is told to, and no more than there is', () => {
    const store = createLocalLimits({ clock: createVirtualClock() });
    const one = { name: 'x', perSecond: 1, burst: 1 };
    store.giveBack('a', one);
    expect(store.take('a', one, 0)).toMatchObject({ allowed: true });
    expect(store.take('a', one, 0)).toMatchObject({ allowed: false });
    store.giveBack('a', one);
    store.giveBack('a', one);
    expect(store.take('a', one, 0)).toMatchObject({ allowed: true });
    expect(store.take('a', one, 5_000)).toMatchObject({ allowed: true, left: 0 });
  });

  it('forgets the key that was asked longest ago, and none before', () => {
    const store = createLocalLimits({ clock: createVirtualClock(), maxKeys: 2 });
    const one = { name: 'x', perSecond: 0.001, burst: 1 };
    const take = (key: string): boolean => (store.take(key, one, 0) as Taken).allowed;
    expect([take('a'), take('b'), take('a'), take('b'), take('c')]).toEqual([true, true, false, false, true]);
    // What is refused is no use of the bucket: "a" was the first.
    expect([take('b'), take('c'), take('a')]).toEqual([false, false, true]);
  });

  it('gives out its share, and always a call at once', () => {
    const store = createLocalLimits({ clock: createVirtualClock(), share: 0.25 });
    const take = (burst: number, nowMs: number): boolean =>
      (store.take('a', { name: `burst ${burst}`, perSecond: 40, burst }, nowMs) as Taken).allowed;
    expect([0, 0, 0, 99, 100].map((nowMs) => take(8, nowMs))).toEqual([true, true, false, false, true]);
    expect([0, 0, 100].map((nowMs) => take(2, nowMs))).toEqual([true, false, true]);
  });
});

describe('networkOf', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['', ''],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80::1%eth0'],
  ])('%s belongs to %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});

describe('createRateLimitLayer', () => {
  it('passes calls without limits as they are', () => {
    const clock = createVirtualClock();
    const { service } = createCallee();
    const seen: unknown[] = [];
    const layer = createRateLimitLayer({ clock, local: createLocalLimits({ clock }) });
    const limited = layer((head, reply) => {
      seen.push(reply);
      return service(head, reply);
    });
    const reply = { head() {}, write() {}, end() {}, fail() {}, grant() {} };
    limited(knownHead('unknown'), reply);
    expect(seen).toEqual([reply]);
  });

  it('refuses what is too much, with the time after which it is let through', async () => {
    const clock = createVirtualClock();
    const { service, calls } = createCallee();
    const limited: string[] = [];
    const layer = createRateLimitLayer({
      clock,
      local: createLocalLimits({ clock }),
      onLimited: (_head, limit) => limited.push(limit.name),
    });
    const rated = layer(service);
    for (let i = 0; i < 3; i++) startCall(rated, headWith([LIMIT]));
    const fourth = startCall(rated, headWith([LIMIT]));
    expect(fourth.error).toBeUndefined();
    await fourth.done;
    expect(fourth.error).toMatchObject({ code: Code.resourceExhausted, processed: 'never-sent' });
    expect(fourth.error?.message).toBe('more calls than the rate limit "search" allows; try again in 100 ms');
    expect(fourth.error?.details?.length).toBeGreaterThan(0);
    expect(limited).toEqual(['search']);
    clock.advance(100);
    startCall(rated, headWith([LIMIT]));
    expect(calls).toHaveLength(4);
  });

  it('counts by key, and calls without the key together', async () => {
    const clock = createVirtualClock();
    const { service, calls } = createCallee();
    const rated = createRateLimitLayer({ clock, local: createLocalLimits({ clock }) })(service);
    const byPeer: RateLimit = { name: 'peer', perSecond: 1, burst: 1, key: { from: 'peer' } };
    const byHeader: RateLimit = { name: 'header', perSecond: 1, burst: 2, key: { from: 'header', name: 'x-key' } };
    startCall(rated, headWith([byPeer], 'a'));
    startCall(rated, headWith([byPeer], 'b'));
    startCall(rated, headWith([byPeer], 'a'));
    startCall(rated, headWith([byPeer], '2001:db8::1'));
    startCall(rated, headWith([byPeer], '2001:db8::2'));
    for (let i = 0; i < 3; i++) startCall(rated, headWith([byHeader]));
    await turn();
    expect(calls).toHaveLength(5);
  });

  it('takes what the proto asks for, unless the configuration says otherwise', async () => {
    const clock = createVirtualClock();
    const { service, calls } = createCallee();
    const rated = createRateLimitLayer({ clock, local: createLocalLimits({ clock }) })(service);
    const start = (policy: RequestHead['call']['policy']): void => {
      const head = knownHead('unknown', 'unary', { policy });
      const method = { ...(head.call.method as NonNullable<typeof head.call.method>), rules: { rateLimits: [LIMIT] } };
      head.call.method = method;
      startCall(rated, head);
    };
    for (let i = 0; i < 5; i++) start({});
    expect(calls).toHaveLength(3);
    for (let i = 0; i < 5; i++) start({ rateLimits: [] });
    expect(calls).toHaveLength(8);
    await turn();
  });

  it.each([0, 1])('costs other limits nothing when one refuses, whichever is first (%d)', async (first) => {
    const clock = createVirtualClock();
    const { service, calls } = createCallee();
    const rated = createRateLimitLayer({ clock, local: createLocalLimits({ clock }) })(service);
    const common: RateLimit = { name: 'common', perSecond: 0.1, burst: 3 };
    const each: RateLimit = { name: 'each', perSecond: 0.1, burst: 1, key: { from: 'peer' } };
    const limits = first === 0 ? [common, each] : [each, common];
    for (let i = 0; i < 50; i++) startCall(rated, headWith(limits, 'greedy'));
    startCall(rated, headWith(limits, 'a'));
    startCall(rated, headWith(limits, 'b'));
    startCall(rated, headWith(limits, 'c'));
    await turn();
    expect(calls.map(({ head }) => head.call.peer)).toEqual(['greedy', 'a', 'b']);
  });

  it('notes what each limit said for calls that ask', async () => {
    const clock = createVirtualClock();
    const rated = createRateLimitLayer({ clock, local: createLocalLimits({ clock }) })(createCallee().service);
    const notes: string[] = [];
    for (let i = 0; i < 4; i++) {
      const head = headWith([LIMIT]);
      head.call.explanation = { dryRun: false, notes, attempts: [] };
      startCall(rated, head);
    }
    await turn();
    expect(notes).toEqual(['2 of 3 left', '1 of 3 left', '0 of 3 left', 'none left for 100 ms'].map(noted));
  });

  describe('with a store that answers later', () => {
    const shared: RateLimit = { name: 'shared', perSecond: 1, burst: 9, shared: true };

    function rig() {
      const clock = createVirtualClock();
      const store = createSlowStore();
      const callee = createCallee();
      const layer = createRateLimitLayer({ clock, local: createLocalLimits({ clock }), shared: store });
      return { store, ...callee, rated: layer(callee.service) };
    }

    it('holds the call, and brings what the caller wrote meanwhile in order', async () => {
      const { store, calls, rated } = rig();
      const call = startCall(rated, headWith([shared]));
      call.body.write(bytesOf('one'));
      call.body.write(bytesOf('two'));
      await turn();
      expect(calls).toHaveLength(0);
      store.answer(YES);
      await turn();
      call.body.write(bytesOf('three'));
      call.body.end();
      expect(calls[0]).toMatchObject({ text: 'onetwothree', ends: [11] });
      calls[0]?.reply.head(OK_HEAD);
      calls[0]?.reply.end(OK);
      calls[0]?.reply.end(OK);
      expect(call.trailers).toEqual(OK);
    });

    it('refuses it when the answer says so', async () => {
      const { store, calls, rated } = rig();
      const call = startCall(rated, headWith([shared]));
      store.answer(NO);
      await call.done;
      expect(call.error).toMatchObject({ code: Code.resourceExhausted });
      expect(call.error?.message).toContain('try again in 1500 ms');
      expect(calls).toHaveLength(0);
    });

    it('forgets a call that is given up meanwhile', async () => {
      const { store, calls, rated } = rig();
      const call = startCall(rated, headWith([shared]));
      call.body.cancel('caller-gone');
      store.answer(YES);
      await turn();
      expect(calls).toHaveLength(0);
      expect(call.error).toBeUndefined();
    });

    it('does not ask it for what is refused here, and gives both back what is refused there', async () => {
      const { store, calls, rated } = rig();
      const own: RateLimit = { name: 'own', perSecond: 0.1, burst: 1 };
      const refused = startCall(rated, headWith([shared, { ...shared, name: 'other' }, own]));
      store.answer(NO);
      await refused.done;
      expect(store.givenBack).toEqual([]);
      const let1 = startCall(rated, headWith([shared, own]));
      store.answer(YES);
      await turn();
      expect(calls).toHaveLength(1);
      const let2 = startCall(rated, headWith([shared, own]));
      await let2.done;
      expect(let2.error?.message).toContain('"own"');
      expect(let1.error).toBeUndefined();
      expect(store.givenBack).toEqual([]);
    });

    it('gives a store back what it took when another limit there refuses', async () => {
      const { rated, store } = rig();
      const other: LimitStore = store;
      let n = 0;
      other.take = () => Promise.resolve(n++ === 0 ? YES : NO);
      const call = startCall(rated, headWith([shared, { ...shared, name: 'second' }]));
      await call.done;
      expect(call.error?.message).toContain('"second"');
      expect(store.givenBack).toEqual(['shared']);
    });
  });
});

function noted(left: string): string {
  return `rate limit "search": ${left}`;
}
