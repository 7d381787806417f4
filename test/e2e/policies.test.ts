import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { EchoService } from './rig/echo-schema.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { viewOf } from './rig/endpoints.ts';
import { startMoody, type Moody } from './rig/moody.ts';
import { startMoodWorld, type MoodWorld } from './rig/mood-world.ts';

const SERVICE = EchoService.typeName;
const RETRY = {
  maxAttempts: 3,
  initialBackoff: '0.01s',
  maxBackoff: '0.1s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['UNAVAILABLE'],
};

/** With a hundred different values, to which of the backends each goes. */
async function placesOf({ client }: MoodWorld): Promise<string[]> {
  return Promise.all(Array.from({ length: 100 }, async (_, i) => (await client.say({ value: `user-${i}` })).value));
}

async function readAll(messages: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of messages);
}

describe.each([0, 2])('policies of calls with %i workers', (workers) => {
  it('keep calls of one message field at one endpoint, and move few when one leaves', async () => {
    const services = {
      [SERVICE]: {
        policy: 'POLICY_MAGLEV',
        methods: { Say: { affinity: { keys: [{ field: 'value' }] } } },
      },
    };
    await using world = await startMoodWorld({ workers, names: ['a', 'b', 'c'], config: { services } });
    const first = await placesOf(world);
    expect(new Set(first)).toEqual(new Set(['a', 'b', 'c']));
    expect(await placesOf(world)).toEqual(first);
    await world.moods[2]?.kill();
    await eventually(async () => expect(await placesOf(world)).not.toContain('c'));
    const after = await placesOf(world);
    const kept = first.filter((place, i) => place !== 'c' && place === after[i]);
    expect(kept.length / first.filter((place) => place !== 'c').length).toBeGreaterThan(0.8);
  });

  it('limit, delay and abort calls by the fields of routes, and take changes while they run', async () => {
    const routes = [
      {
        headers: { 'x-tier': 'free' },
        calls: { rateLimits: [{ perSecond: 0.01, burst: 2, key: { header: 'x-user' } }] },
      },
      { method: 'Say', headers: { 'x-broken': '*' }, calls: { fault: { abort: { percent: 100, code: 'data_loss' } } } },
    ];
    await using world = await startMoodWorld({ workers: 0, names: ['a'], config: { routes } });
    const { client } = world;
    const say = (headers: Record<string, string>) => client.say({ value: 'x' }, { headers });
    await say({ 'x-tier': 'free', 'x-user': 'one' });
    await say({ 'x-tier': 'free', 'x-user': 'one' });
    const limited = await failureOf(say({ 'x-tier': 'free', 'x-user': 'one' }));
    expect(limited.code).toBe(Code.ResourceExhausted);
    expect(limited.details.map((detail) => ('type' in detail ? detail.type : ''))).toEqual(['google.rpc.RetryInfo']);
    await say({ 'x-tier': 'free', 'x-user': 'two' });
    await say({ 'x-user': 'one' });
    expect((await failureOf(say({ 'x-broken': 'yes' }))).code).toBe(Code.DataLoss);

    // The bucket outlasts a change that is about something else.
    await world.configure({ routes: routes.slice(0, 1), calls: { maxTimeout: '60s' } });
    await say({ 'x-broken': 'yes' });
    expect((await failureOf(say({ 'x-tier': 'free', 'x-user': 'one' }))).code).toBe(Code.ResourceExhausted);
    await world.configure({});
    await say({ 'x-tier': 'free', 'x-user': 'one' });
  });
});

describe('what the configuration brings beside policies', () => {
  it('reads a gRPC service config, and says what is wrong with one', async () => {
    const methodConfig = [{ name: [{ service: SERVICE }], timeout: '20s', retryPolicy: RETRY }];
    const config = { services: { [SERVICE]: { serviceConfig: 'service.json' } } };
    const good = JSON.stringify({ methodConfig, loadBalancingConfig: [{ round_robin: {} }] });
    await using world = await startMoodWorld({
      workers: 0,
      names: ['a', 'b'],
      config,
      files: { 'service.json': good },
    });
    const [a, b] = world.moods;
    for (let i = 0; i < 10; i++) await world.client.say({ value: 'x' });
    expect([a?.calls, b?.calls]).toEqual([5, 5]);
    await writeFile(join(world.folder.path, 'service.json'), '{"methodConfig": [{"timeout": "soon"}]}');
    await eventually(async () => {
      const { configError } = await world.gateway.operator.admin.getStatus({});
      expect(configError).toMatch(/serviceConfig: holds something wrong: .*timeout/);
    });
    await world.client.say({ value: 'x' });
  });

  const entryOf = (method: string, rest: object) => ({ name: [{ service: SERVICE, method }], ...rest });
  it.each([
    [
      'a gRPC service config',
      { serviceConfig: 'service.json' },
      [
        entryOf('Count', { timeout: '0.3s' }),
        entryOf('Say', { maxRequestMessageBytes: 20, maxResponseMessageBytes: 4 }),
      ],
    ],
    [
      'methods',
      { methods: { Count: { defaultStreamTimeout: '0.3s' }, Say: { maxRequestBytes: 20, maxResponseBytes: 4 } } },
      [],
    ],
  ])('takes times and sizes of %s for calls of all kinds', async (_, settings, methodConfig) => {
    await using world = await startMoodWorld({
      workers: 0,
      names: ['a', 'long'],
      config: { services: { [SERVICE]: { policy: 'POLICY_ROUND_ROBIN', ...settings } } },
      files: { 'service.json': JSON.stringify({ methodConfig }) },
    });
    const { client, moods } = world;
    expect((await failureOf(readAll(client.count({ value: -1 })))).code).toBe(Code.DeadlineExceeded);
    const tooLong = await failureOf(client.say({ value: 'longer than it may be' }));
    expect([tooLong.code, tooLong.rawMessage]).toEqual([Code.ResourceExhausted, expect.stringContaining('request')]);
    expect(moods.map(({ calls }) => calls)).toEqual([0, 0]);
    // One of them has a name that is longer than answers may be.
    const answers = await Promise.allSettled([client.say({ value: 'x' }), client.say({ value: 'x' })]);
    expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const reason = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    expect(reason[0]).toMatchObject({ code: Code.ResourceExhausted, rawMessage: expect.stringContaining('response') });
  });

  it('weighs endpoints by what they say when they are asked, and asks no more when it need not', async () => {
    const wrr = {
      enableOobLoadReport: true,
      oobReportingPeriod: '60s',
      blackoutPeriod: '0s',
      weightUpdatePeriod: '0.1s',
    };
    await using world = await startMoodWorld({
      workers: 0,
      names: ['idle', 'busy'],
      config: { services: { [SERVICE]: { serviceConfig: 'service.json' } } },
      files: { 'service.json': '{}' },
    });
    const { client } = world;
    const [idle, busy] = world.moods as [Moody, Moody];
    [idle.load, busy.load] = [0.1, 0.9];
    const configOf = (config: object): string => JSON.stringify({ loadBalancingConfig: [config] });
    const say = (config: object) => writeFile(join(world.folder.path, 'service.json'), configOf(config));
    await say({ weighted_round_robin: wrr });
    await eventually(async () => {
      const before = [idle.calls, busy.calls] as const;
      for (let i = 0; i < 50; i++) await client.say({ value: 'x' });
      expect((idle.calls - before[0]) / (busy.calls - before[1])).toBeGreaterThan(5);
    });
    // Both ask again where the period is another, and nobody does without.
    await say({ weighted_round_robin: { ...wrr, oobReportingPeriod: '30s' } });
    await eventually(async () => expect([idle.asked, busy.asked]).toEqual([2, 2]));
    await say({ round_robin: {} });
    await eventually(async () => {
      const before = [idle.calls, busy.calls] as const;
      for (let i = 0; i < 10; i++) await client.say({ value: 'x' });
      expect([idle.calls - before[0], busy.calls - before[1]]).toEqual([5, 5]);
    });
    expect([idle.asked, busy.asked]).toEqual([2, 2]);
    // The gateway's own word for it.
    const policy = { policy: 'POLICY_ORCA_WEIGHTED_ROUND_ROBIN', balancing: { loadReportPeriod: '60s' } };
    await world.configure({ services: { [SERVICE]: policy } });
    await eventually(async () => expect([idle.asked, busy.asked]).toEqual([3, 3]));
  });

  it('warns once of methods that the service does not have', async () => {
    const methods = { Saay: { defaultTimeout: '5s' } };
    await using world = await startMoodWorld({
      workers: 0,
      names: ['a', 'b'],
      config: { services: { [SERVICE]: { methods } } },
    });
    const warnings = () => world.gateway.log.filter(({ message }) => message.includes('has no method "Saay"'));
    expect(warnings()).toHaveLength(1);
    expect(warnings()[0]).toMatchObject({ level: 'warn', message: expect.stringContaining('it has Say, Blob, Count') });
  });

  it('tells handlers which calls are copies', async () => {
    await using world = await startMoodWorld({ workers: 0, names: ['a', 'copies'], config: {} });
    const [a, copies] = world.moods as [Moody, Moody];
    const endpoints = [
      { address: a.address, services: [SERVICE], schema: 'echo.binpb' },
      { address: copies.address, services: ['shadow.v1.EchoService'] },
    ];
    const mirror = { service: 'shadow.v1.EchoService' };
    await world.configure({ discovery: { endpoints }, services: { [SERVICE]: { calls: { mirror } } } });
    await eventually(async () => {
      expect((await world.client.say({ value: 'x' })).value).toBe('a');
      expect(copies.headers?.get('bascule-mirror')).toBe('1');
    });
    expect(a.headers?.has('bascule-mirror')).toBe(false);
  });

  it('answers from the cache, and makes identical calls one', async () => {
    const services = { [SERVICE]: { methods: { Say: { cache: { ttl: '60s' } } } } };
    await using world = await startMoodWorld({ workers: 0, names: ['a'], config: { services } });
    await Promise.all(Array.from({ length: 20 }, () => world.client.say({ value: 'same' })));
    await world.client.say({ value: 'same' });
    expect(world.moods[0]?.calls).toBe(1);
    await world.client.say({ value: 'other' });
    expect(world.moods[0]?.calls).toBe(2);
  });

  it('knows callers by their tokens', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }] });
    const tokenOf = (subject: string): Promise<string> =>
      new SignJWT({})
        .setProtectedHeader({ alg: 'ES256', kid: 'k' })
        .setSubject(subject)
        .setAudience('bascule')
        .setExpirationTime('1h')
        .sign(privateKey);
    const services = {
      [SERVICE]: { calls: { rateLimits: [{ perSecond: 0.001, burst: 1, key: { claim: 'sub' } }] } },
    };
    const identity = { jwksFile: 'keys.json', audience: 'bascule', required: true };
    const options = { workers: 0, names: ['a'], config: { services, identity }, files: { 'keys.json': jwks } };
    await using world = await startMoodWorld(options);
    const say = (token?: string) =>
      world.client.say({ value: 'x' }, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
    const ann = await tokenOf('ann');
    await say(ann);
    expect((await failureOf(say(ann))).code).toBe(Code.ResourceExhausted);
    await say(await tokenOf('bob'));
    expect((await failureOf(say())).code).toBe(Code.Unauthenticated);
    expect((await failureOf(say(`${ann}x`))).code).toBe(Code.Unauthenticated);
  });

  it('shows who is ejected', async () => {
    const services = { [SERVICE]: { policy: 'POLICY_ROUND_ROBIN', calls: { retry: { maxAttempts: 2 } } } };
    await using world = await startMoodWorld({ workers: 0, names: ['a', 'b'], config: { services } });
    const [a] = world.moods as [Moody, Moody];
    a.fails = true;
    await eventually(async () => {
      await world.client.say({ value: 'x' });
      expect(await viewOf(world.gateway, a.address)).toMatchObject({
        state: 'ejected',
        cause: expect.stringMatching(/5 .*(failures|failed)/),
      });
    });
    const { calls } = a;
    for (let i = 0; i < 10; i++) await world.client.say({ value: 'x' });
    expect(a.calls).toBe(calls);
  });
});

describe('streams', () => {
  it('are asked to resume where there is more room, if their callers can', async () => {
    const respread = { perSecond: 1000, tolerancePercent: 0 };
    const services = { [SERVICE]: { balancing: { respread } } };
    await using world = await startMoodWorld({ workers: 0, names: ['a', 'b'], config: { services } });
    const [a, b] = world.moods as [Moody, Moody];
    b.serves = false;
    await b.kill();
    await eventually(async () => expect((await viewOf(world.gateway, b.address))?.state).toBe('connecting'));
    const leaving = new AbortController();
    const begin = (headers: Record<string, string>) => {
      const { signal } = leaving;
      const stream = world.client.count({ value: -1 }, { headers, signal })[Symbol.asyncIterator]();
      return { first: stream.next(), rest: stream };
    };
    const able = Array.from({ length: 6 }, () => begin({ 'bascule-resumable': '1' }));
    const others = Array.from({ length: 2 }, () => begin({}));
    for (const { first } of [...able, ...others]) expect((await first).value).toMatchObject({ value: 'a' });

    await using again = await startMoody('b', Number(b.address.split(':')[1]));
    const ended = able.map(({ rest }) => failureOf(rest.next()));
    const resumed = await Promise.any(ended);
    expect(resumed.code).toBe(Code.Unavailable);
    expect(resumed.metadata.get('bascule-resume')).toBe('1');
    await eventually(async () => expect((await viewOf(world.gateway, again.address))?.state).toBe('ready'));
    const { first, rest } = begin({ 'bascule-resumable': '1' });
    expect((await first).value).toMatchObject({ value: 'b' });
    expect((await viewOf(world.gateway, a.address))?.openCalls).toBeGreaterThanOrEqual(2);
    leaving.abort();
    await Promise.allSettled([...ended, rest.next(), ...others.map((other) => other.rest.next())]);
  });
});
