import {
  Code,
  ConnectError,
  createClient,
  createContextKey,
  createContextValues,
  type CallOptions,
} from '@connectrpc/connect';
import type { LimitStore } from '@bascule/layers';
import { afterEach, describe, expect, it } from 'vitest';
import type { RefusedCall, ServeCalls, ServerCallPolicy } from '../../src/calls/options.ts';
import type { ServeOptions } from '../../src/options.ts';
import { closeAll, connectTo, start, type Protocol } from '../rig.ts';
import { createShop, Shop } from './shop.ts';

afterEach(closeAll);

const PROTOCOLS: readonly Protocol[] = ['grpc', 'grpc-web', 'connect'];

/** A shop behind policies, with a client of each protocol. */
async function openShop(calls: ServeCalls | undefined, options: Partial<ServeOptions> = {}) {
  const shop = createShop();
  const refused: RefusedCall[] = [];
  const onRefused = (call: RefusedCall): void => void refused.push(call);
  const { server } = await start({ routes: shop.routes, ...(calls && { calls: { onRefused, ...calls } }), ...options });
  const clientOf = (protocol: Protocol = 'grpc') => createClient(Shop, connectTo(server.port, protocol));
  return { server, shop, refused, clientOf, client: clientOf() };
}

const everywhere = (policy: ServerCallPolicy): ServeCalls => ({ policies: { '*': policy } });

/** The code of a call that fails, and what comes with it. */
async function failureOf(call: Promise<unknown>) {
  const error = (await call.then(
    () => ({ code: 0, rawMessage: 'no failure', details: [] }),
    (thrown: unknown) => thrown,
  )) as { code: number; rawMessage: string; details: { type?: string }[] };
  return { code: error.code, message: error.rawMessage, details: error.details.map(({ type }) => type) };
}

const as = (user: string): CallOptions => ({ headers: { 'x-user': user } });

describe.each(PROTOCOLS)('over %s, a server', (protocol) => {
  it('refuses calls beyond a rate, and says when to come again', async () => {
    const { clientOf, refused, shop } = await openShop(everywhere({ rateLimits: [{ perSecond: 0.01, burst: 2 }] }));
    const client = clientOf(protocol);
    await client.find({ value: 'a' });
    await client.buy({ value: 'b' });
    const failure = await failureOf(client.buy({ value: 'c' }));
    expect(failure.code).toBe(Code.ResourceExhausted);
    expect(failure.message).toMatch(/^more calls than the rate limit "shop\.v1\.Shop#0" allows; try again in \d+ ms$/);
    expect(failure.details).toEqual(['google.rpc.RetryInfo']);
    const stream = client.watch({ value: 'd' })[Symbol.asyncIterator]();
    expect(await failureOf(stream.next())).toMatchObject({
      code: Code.ResourceExhausted,
      details: ['google.rpc.RetryInfo'],
    });
    expect(shop.asked).toEqual(['a', 'b']);
    expect(refused).toEqual(
      ['Buy', 'Watch'].map((method) => ({ service: 'shop.v1.Shop', method, by: 'rate-limit', name: 'shop.v1.Shop#0' })),
    );
  });

  it('honours the method options of its protos, and lets others pass', async () => {
    const { clientOf } = await openShop({});
    const client = clientOf(protocol);
    await client.bid({ value: 'a' }, as('ann'));
    await client.bid({ value: 'b' }, as('bob'));
    expect((await failureOf(client.bid({ value: 'c' }, as('ann')))).code).toBe(Code.ResourceExhausted);
    expect((await failureOf(client.ask({ value: 'wait' }))).code).toBe(Code.DeadlineExceeded);
    for (let i = 0; i < 5; i++) await client.buy({ value: 'x' });
  });

  it('keeps answers of calls that change nothing, and makes equal ones one', async () => {
    const { clientOf, shop } = await openShop(everywhere({ cache: { ttlMs: 60_000 } }));
    const client = clientOf(protocol);
    const answers = Promise.all(Array.from({ length: 5 }, () => client.find({ value: 'wait' })));
    await expect.poll(() => shop.asked.length).toBe(1);
    shop.open();
    expect((await answers).map(({ value }) => value)).toEqual(Array.from({ length: 5 }, () => 'wait!'));
    await client.find({ value: 'wait' });
    await client.buy({ value: 'x' });
    await client.buy({ value: 'x' });
    expect(shop.asked).toEqual(['wait', 'x', 'x']);
  });

  it('queues what finds no place, refuses what finds no room, and serves it all when it is closed', async () => {
    const { clientOf, server, shop, refused } = await openShop(
      everywhere({ concurrency: { maxLimit: 3, maxQueue: 2 } }),
    );
    const client = clientOf(protocol);
    const calls = Array.from({ length: 5 }, (_, i) => client.buy({ value: `wait ${i}` }));
    // Calls of one connection come in order.
    expect((await failureOf(client.buy({ value: 'late' }))).message).toMatch(/takes 3 calls at once .* and 2 wait/);
    expect(shop.asked).toHaveLength(3);
    const closed = server.close();
    shop.open();
    await expect.poll(() => shop.asked.length).toBe(5);
    shop.open();
    expect((await Promise.all(calls)).map(({ value }) => value)).toEqual(calls.map((__, i) => `wait ${i}!`));
    await closed;
    expect(refused).toMatchObject([{ method: 'Buy', by: 'concurrency', name: 'shop.v1.Shop' }]);
  });
});

describe('keys of rate limits', () => {
  const once = (key: NonNullable<ServerCallPolicy['rateLimits']>[number]['key']): ServeCalls =>
    everywhere({ rateLimits: [{ perSecond: 0.001, burst: 1, ...(key && { key }) }] });
  /** Whether each of these calls went through. */
  async function passes(calls: ServeCalls, asked: readonly [string, Record<string, string>][]) {
    const { client } = await openShop(calls);
    const passed: boolean[] = [];
    for (const [value, headers] of asked) {
      const { code } = await failureOf(client.buy({ value }, { headers }));
      passed.push(code === 0);
    }
    return passed;
  }

  it.each<[string, ServeCalls, readonly [string, Record<string, string>][]]>([
    [
      'a header',
      once({ from: 'header', name: 'X-User' }),
      [
        ['a', { 'x-user': 'ann' }],
        ['b', { 'x-user': 'bob' }],
        ['c', { 'x-user': 'ann' }],
      ],
    ],
    [
      'a cookie',
      once({ from: 'cookie', name: 'sid' }),
      [
        ['a', { cookie: 'sid=1' }],
        ['b', { cookie: 'x=1; sid=2' }],
        ['c', { cookie: 'sid=1; x=2' }],
      ],
    ],
    [
      'a field of the message',
      once({ from: 'field', path: 'value' }),
      [
        ['a', {}],
        ['b', {}],
        ['a', {}],
      ],
    ],
    [
      'a claim',
      {
        ...once({ from: 'claim', name: 'team' }),
        identify: {
          verify: (token) => ({ principal: { id: token, claims: { team: token.slice(0, 3) } }, untilMs: Infinity }),
        },
      },
      [
        ['a', { authorization: 'Bearer red1' }],
        ['b', { authorization: 'Bearer blue1' }],
        ['c', { authorization: 'Bearer red2' }],
      ],
    ],
  ])('are values of %s', async (_, calls, asked) => {
    expect(await passes(calls, asked)).toEqual([true, true, false]);
  });

  it('are counted where others see them too, if they are shared', async () => {
    const taken: string[] = [];
    const sharedLimits: LimitStore = {
      async take(key, { name }) {
        taken.push(`${name} ${key}`);
        return { allowed: taken.length < 2, left: 0, retryAfterMs: 7 };
      },
      giveBack() {},
    };
    const limit = { name: 'all', perSecond: 1, shared: true, key: { from: 'field', path: 'value' } } as const;
    const { client } = await openShop({ ...everywhere({ rateLimits: [limit] }), sharedLimits });
    await client.buy({ value: 'a' });
    expect((await failureOf(client.buy({ value: 'b' }))).message).toContain('"all" allows; try again in 7 ms');
    expect(taken).toEqual(['all a', 'all b']);
  });

  it('are addresses of callers, and names that scopes share', async () => {
    expect(
      await passes(once({ from: 'peer' }), [
        ['a', {}],
        ['b', {}],
      ]),
    ).toEqual([true, false]);
    const limit = { name: 'both', perSecond: 0.001, burst: 2 };
    const { client } = await openShop({
      policies: { 'shop.v1.Shop/Find': { rateLimits: [limit] }, 'shop.v1.Shop/Buy': { rateLimits: [limit] } },
    });
    await client.find({ value: 'a' });
    await client.buy({ value: 'b' });
    expect((await failureOf(client.find({ value: 'c' }))).message).toContain('"both"');
  });
});

describe('scopes', () => {
  it('replace parts of the wider ones, and leave the others', async () => {
    const { client, shop } = await openShop({
      policies: {
        '*': { defaultTimeoutMs: 60_000, rateLimits: [{ perSecond: 0.001 }] },
        'shop.v1.Shop': { rateLimits: [] },
        'shop.v1.Shop/Find': { defaultTimeoutMs: 30_000, maxTimeoutMs: 10_000 },
      },
    });
    for (let i = 0; i < 3; i++) await client.buy({ value: 'a' });
    await client.find({ value: 'b' });
    await client.find({ value: 'c' }, { timeoutMs: 20_000 });
    const [first, , , fourth, fifth] = shop.contexts.map((context) => context.timeoutMs() ?? 0);
    expect(first).toBeGreaterThan(30_000);
    expect([fourth, fifth].every((leftMs = 0) => leftMs > 0 && leftMs <= 10_000)).toBe(true);
  });

  it('stand over a service config, which stands over "*"', async () => {
    const methodConfig = [
      { name: [{ service: 'shop.v1.Shop' }], timeout: '5s', maxRequestMessageBytes: 20 },
      { name: [{ service: 'shop.v1.Shop', method: 'Find' }], timeout: '0.1s' },
    ];
    const { client, shop } = await openShop({
      policies: { '*': { maxTimeoutMs: 60_000 }, 'shop.v1.Shop/Bid': { maxTimeoutMs: 1_000, maxRequestBytes: 100 } },
      serviceConfig: JSON.stringify({ methodConfig, retryThrottling: { maxTokens: 10, tokenRatio: 0.1 } }),
    });
    expect((await failureOf(client.find({ value: 'wait' }, { timeoutMs: 60_000 }))).code).toBe(Code.DeadlineExceeded);
    await client.buy({ value: 'b' }, { timeoutMs: 30_000 });
    await client.bid({ value: 'a text of more than 20' }, { timeoutMs: 30_000 });
    const [, buyMs = 0, bidMs = 0] = shop.contexts.map((context) => context.timeoutMs());
    expect([buyMs <= 5_000, bidMs <= 1_000]).toEqual([true, true]);
    expect((await failureOf(client.buy({ value: 'a text of more than 20' }))).message).toContain('longer than the 20');
  });

  it('do not mean health and reflection, whoever asks', async () => {
    const limits: ServerCallPolicy = { rateLimits: [{ perSecond: 0.001 }], limits: { maxCalls: 1 } };
    const { server, client } = await openShop(
      { ...everywhere(limits), identify: { verify: () => undefined, required: true } },
      { introspection: true },
    );
    expect((await failureOf(client.buy({ value: 'a' }))).code).toBe(Code.Unauthenticated);
    const path = `http://127.0.0.1:${server.port}/grpc.health.v1.Health/Check`;
    const ask = () => fetch(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    for (let i = 0; i < 3; i++) expect(await (await ask()).json()).toEqual({ status: 'SERVING' });
  });
});

describe('a busy server', () => {
  it('refuses calls and streams beyond what may be open, each service and method by its own', async () => {
    const { client, shop, refused } = await openShop({
      policies: { '*': { limits: { maxCalls: 1, maxStreams: 1 } }, 'shop.v1.Shop/Find': { limits: { maxCalls: 1 } } },
    });
    const call = client.buy({ value: 'wait' });
    const stream = client.watch({ value: 'wait' })[Symbol.asyncIterator]();
    const first = stream.next();
    await expect.poll(() => shop.asked.length).toBe(2);
    expect((await failureOf(client.ask({ value: 'a' }))).message).toMatch(/^1 calls to this service are open/);
    const second = client.watch({ value: 'b' })[Symbol.asyncIterator]();
    expect((await failureOf(second.next())).message).toMatch(/^1 streams to this service are open/);
    await client.find({ value: 'c' });
    shop.open();
    await Promise.all([call, first, stream.next()]);
    await client.buy({ value: 'd' });
    expect(refused.map(({ method, by }) => `${method} by ${by}`)).toEqual(['Ask by limits', 'Watch by limits']);
  });

  it('keeps the place of a call that was given up until its handler has settled', async () => {
    const { client, shop } = await openShop(everywhere({ limits: { maxCalls: 1 } }));
    const stuck = Promise.withResolvers<void>();
    shop.beforeAnswer = () => stuck.promise;
    const leave = new AbortController();
    const left = failureOf(client.buy({ value: 'a' }, { signal: leave.signal }));
    await expect.poll(() => shop.asked.length).toBe(1);
    leave.abort();
    expect((await left).code).toBe(Code.Canceled);
    await expect.poll(() => shop.contexts[0]?.signal.aborted).toBe(true);
    expect((await failureOf(client.buy({ value: 'b' }))).code).toBe(Code.ResourceExhausted);
    shop.beforeAnswer = undefined;
    stuck.resolve();
    await expect.poll(async () => (await failureOf(client.buy({ value: 'c' }))).code).toBe(0);
  });

  it('gives up calls that wait past their deadline, and serves those that matter first', async () => {
    const { client, shop } = await openShop({
      policies: {
        'shop.v1.Shop': { concurrency: { maxLimit: 3, maxQueue: 10 }, criticality: 'sheddable' },
        'shop.v1.Shop/Find': { criticality: 'critical' },
        'shop.v1.Shop/Ask': { defaultTimeoutMs: 30 },
      },
    });
    const running = Array.from({ length: 3 }, () => client.buy({ value: 'wait' }));
    const low = client.buy({ value: 'low' });
    const high = client.find({ value: 'high' });
    const brief = failureOf(client.ask({ value: 'brief' }));
    expect(await brief).toMatchObject({ code: Code.DeadlineExceeded });
    shop.open();
    await Promise.all([...running, low, high]);
    expect(shop.asked).toEqual(['wait', 'wait', 'wait', 'high', 'low']);
  });

  it('refuses a share of calls while many fail, and says so', async () => {
    const { client, refused } = await openShop(everywhere({ admission: { maxRefusedPercent: 100, minPerSecond: 0 } }));
    for (let i = 0; i < 50; i++) await failureOf(client.buy({ value: 'fail' }));
    const codes = await Promise.all(Array.from({ length: 50 }, async () => failureOf(client.buy({ value: 'x' }))));
    expect(codes.some(({ message }) => message.includes('of 100 calls are not made'))).toBe(true);
    expect(refused[0]).toEqual({ service: 'shop.v1.Shop', method: 'Buy', by: 'admission', name: 'shop.v1.Shop' });
  });
});

describe('a server that is told to', () => {
  it('delays and ends calls on purpose', async () => {
    const header = { name: 'x-fault' };
    const { client, shop } = await openShop({
      policies: {
        '*': { fault: { header, abort: { percent: 100, code: Code.DataLoss } } },
        'shop.v1.Shop/Find': { fault: { header, delay: { percent: 100, ms: 60_000 } } },
      },
    });
    const headers = { 'x-fault': 'yes' };
    await client.buy({ value: 'a' });
    expect((await failureOf(client.buy({ value: 'b' }, { headers }))).code).toBe(Code.DataLoss);
    const late = failureOf(client.find({ value: 'c' }, { headers, timeoutMs: 50 }));
    expect((await late).code).toBe(Code.DeadlineExceeded);
    expect(shop.asked).toEqual(['a']);
  });

  it('tells handlers who calls', async () => {
    const who = createContextKey('nobody');
    const { client, shop } = await openShop(
      {
        identify: {
          verify: async (token) =>
            token === 'right' ? { principal: { id: 'ann', claims: {} }, untilMs: Infinity } : undefined,
        },
      },
      { contextValues: ({ call }) => createContextValues().set(who, call.principal?.id ?? 'nobody') },
    );
    await client.buy({ value: 'a' }, { headers: { authorization: 'Bearer right' } });
    await client.buy({ value: 'b' });
    expect(shop.contexts.map(({ values }) => values.get(who))).toEqual(['ann', 'nobody']);
    const wrong = client.buy({ value: 'c' }, { headers: { authorization: 'Bearer wrong' } });
    expect(await failureOf(wrong)).toMatchObject({ code: Code.Unauthenticated });
  });

  it('does nothing of it without the option, method options of its protos included', async () => {
    const { client } = await openShop(undefined);
    for (let i = 0; i < 3; i++) await client.bid({ value: 'a' }, as('ann'));
    await expect(client.buy({ value: 'fail' })).rejects.toThrow(ConnectError);
  });
});
