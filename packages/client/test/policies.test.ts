import { create, setExtension, toBinary } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptionsSchema,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';
import { Code as CoreCode, systemClock, type CallPolicy, type RateLimit, type RequestHead } from '@bascule/core';
import { createLocalLimits } from '@bascule/layers';
import {
  Criticality,
  file_bascule_options_v1_options,
  rules,
} from '@bascule/schema/gen/bascule/options/v1/options_pb.ts';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { createNodeTransport, type LimitStore, type NodeTransportOptions } from '../src/index.ts';
import { connect } from './support/calls.ts';
import { failing, startFleet, type FleetMember } from './support/fleet.ts';
import { refuseUnder } from './support/refusing.ts';
import { seeError } from './support/scenarios.ts';

const TEXT = '.google.protobuf.StringValue';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A service whose method says of itself how it wants to be called. */
function createRuledService() {
  const options = create(MethodOptionsSchema);
  setExtension(options, rules, {
    $typeName: 'bascule.options.v1.MethodRules',
    criticality: Criticality.SHEDDABLE,
    timeout: { $typeName: 'google.protobuf.Duration', seconds: 3n, nanos: 0 },
    rateLimits: [],
  });
  const proto = create(FileDescriptorProtoSchema, {
    name: 'client/test/v1/ruled.proto',
    package: 'client.test.v1',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto', 'bascule/options/v1/options.proto'],
    service: [{ name: 'RuledService', method: [{ name: 'Say', inputType: TEXT, outputType: TEXT, options }] }],
  });
  const file = fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64'), [
    file_google_protobuf_wrappers,
    file_bascule_options_v1_options,
  ]);
  const service: GenService<{
    say: { methodKind: 'unary'; input: typeof StringValueSchema; output: typeof StringValueSchema };
  }> = serviceDesc(file, 0);
  return service;
}

/** How a call of the ruled method is treated. */
async function treatmentOf(options: Partial<NodeTransportOptions>): Promise<{ policy: CallPolicy; leftMs: number }> {
  const heads: RequestHead[] = [];
  const transport = createNodeTransport({
    baseUrl: 'http://in.process',
    service: refuseUnder(heads, CoreCode.notFound),
    ...options,
  });
  await seeError(createClient(createRuledService(), transport).say({ value: 'a' }));
  const { policy, deadlineMs = Infinity, startedMs } = (heads[0] as RequestHead).call;
  return { policy, leftMs: deadlineMs - startedMs };
}

describe('the treatment of a method', () => {
  it('is what its proto asks for', async () => {
    const { policy, leftMs } = await treatmentOf({});
    expect(policy).toEqual({ criticality: 'sheddable', defaultTimeoutMs: 3_000 });
    expect(leftMs).toBeGreaterThan(2_000);
    expect(leftMs).toBeLessThanOrEqual(3_000);
  });

  it('is rather what the options say', async () => {
    const { policy, leftMs } = await treatmentOf({ policy: { defaultTimeoutMs: 500 } });
    expect(policy).toMatchObject({ criticality: 'sheddable', defaultTimeoutMs: 500 });
    expect(leftMs).toBeLessThanOrEqual(500);
  });
});

describe('one server', () => {
  it('is called again where a policy says so, and only then', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = failing(100, () => 0);
    await using plain = connect(`http://${server.address}`);
    expect(await seeError(plain.client.say({ value: 'a' }))).toMatchObject({ code: 'Unavailable' });
    expect(server.calls).toBe(1);
    await using repeating = connect(`http://${server.address}`, { policy: { retry: { maxAttempts: 4 } } });
    expect(await seeError(repeating.client.say({ value: 'a' }))).toMatchObject({ code: 'Unavailable' });
    expect(server.calls).toBe(5);
  });

  it('is not called while a breaker is open', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = failing(100, () => 0, Code.Internal);
    const breaker = { name: 'test', errorPercent: 50, minCalls: 5, windowMs: 10_000, openMs: 60_000, probes: 1 };
    await using ours = connect(`http://${server.address}`, { policy: { breaker } });
    for (let i = 0; i < 5; i++) await seeError(ours.client.say({ value: 'a' }));
    const seen = await seeError(ours.client.say({ value: 'a' }));
    expect(seen).toMatchObject({ code: 'Unavailable', message: expect.stringContaining('are stopped') });
    expect(server.calls).toBe(5);
  });
});

describe('answers that may be kept', () => {
  it.each(['one server', 'whoever is there'])('serve calls that are the same: of %s', async (who) => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    const policy: CallPolicy = { cache: { ttlMs: 60_000, maxBytes: 1_000_000, varyOn: ['x-tenant'] } };
    const discovery = { sources: [`static:${server.address}`] };
    await using ours =
      who === 'one server'
        ? connect(`http://${server.address}`, { policy })
        : connect(undefined, { discovery, policy });
    const held = Promise.withResolvers<void>();
    server.before = () => held.promise;
    const together = Array.from({ length: 20 }, () => ours.client.say({ value: 'a' }));
    while (server.calls === 0) await turn();
    held.resolve();
    expect(new Set((await Promise.all(together)).map(({ value }) => value))).toEqual(new Set(['a']));
    const froms: (string | null)[] = [];
    await ours.client.say({ value: 'a' }, { onHeader: (header) => froms.push(header.get('x-from')) });
    expect([server.calls, froms]).toEqual([1, [server.address]]);
    await ours.client.say({ value: 'a' }, { headers: { 'x-tenant': 'other' } });
    await ours.client.say({ value: 'b' });
    expect(server.calls).toBe(3);
    // Whose it is has nobody checked.
    for (let i = 0; i < 2; i++) await ours.client.say({ value: 'a' }, { headers: { authorization: 'Bearer x' } });
    expect(server.calls).toBe(5);
    // Its proto does not say that it does no harm.
    for (let i = 0; i < 2; i++) await ours.client.blob({ value: new Uint8Array(3) });
    expect(server.calls).toBe(7);
  });
});

describe('shared rate limits', () => {
  const limit: RateLimit = { name: 'both', perSecond: 0.001, burst: 3, shared: true };
  const own: RateLimit = { name: 'own', perSecond: 0.001, burst: 4 };

  it('are kept where the caller says, by several transports together', async () => {
    await using fleet = await startFleet(1);
    const baseUrl = `http://${(fleet[0] as FleetMember).address}`;
    const buckets = createLocalLimits({ clock: systemClock });
    const asked: string[] = [];
    const sharedLimits: LimitStore = {
      // Somewhere else, so the answer comes later.
      async take(key, { name, ...rest }, nowMs) {
        asked.push(name);
        await turn();
        return buckets.take(key, { name, ...rest }, nowMs);
      },
      giveBack: (...one) => buckets.giveBack(...one),
    };
    const policy: CallPolicy = { rateLimits: [limit, own] };
    await using one = connect(baseUrl, { policy, sharedLimits });
    await using two = connect(baseUrl, { policy, sharedLimits });
    for (const { client } of [one, two, one]) await client.say({ value: 'a' });
    for (const { client } of [one, two]) {
      const seen = await seeError(client.say({ value: 'a' }));
      expect(seen).toMatchObject({ code: 'ResourceExhausted', message: expect.stringContaining('"both"') });
    }
    expect(new Set(asked)).toEqual(new Set(['both']));
  });

  it('are kept in the process where it does not', async () => {
    await using fleet = await startFleet(1);
    await using ours = connect(`http://${(fleet[0] as FleetMember).address}`, { policy: { rateLimits: [limit] } });
    for (let i = 0; i < 3; i++) await ours.client.say({ value: 'a' });
    expect(await seeError(ours.client.say({ value: 'a' }))).toMatchObject({ code: 'ResourceExhausted' });
  });
});

it('a mirror without anybody to copy calls to is refused', async () => {
  await using ours = connect('http://127.0.0.1:1', { policy: { mirror: { cluster: 'x', percent: 1 } } });
  const seen = await seeError(ours.client.say({ value: 'a' }));
  expect(seen).toMatchObject({ code: 'Internal', message: expect.stringContaining('needs discovery') });
});

describe('calls of one key', () => {
  it('go to one endpoint by a policy that hashes', async () => {
    await using fleet = await startFleet(4);
    await using ours = connect(undefined, {
      discovery: { sources: [`static:${fleet.map(({ address }) => address).join()}`] },
      balancing: { policy: { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 8_388_608 } },
      policy: { affinity: { keys: [{ from: 'header', name: 'x-user' }] } },
    });
    const placeOf = async (user: string): Promise<string | null> => {
      let place: string | null = null;
      const onHeader = (header: Headers): void => void (place = header.get('x-from'));
      await ours.client.say({ value: 'a' }, { headers: { 'x-user': user }, onHeader });
      return place;
    };
    const users = Array.from({ length: 30 }, (_, index) => `user ${index}`);
    const placesOf = (): Promise<(string | null)[]> => Promise.all(users.map(placeOf));
    // The table for all four is made between calls, while the one before is used.
    while (new Set(await placesOf()).size < fleet.length);
    expect(await placesOf()).toEqual(await placesOf());
  });
});
