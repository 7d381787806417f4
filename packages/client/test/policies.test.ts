import { create, setExtension, toBinary } from '@bufbuild/protobuf';
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2';
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptionsSchema,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt';
import { Code as CoreCode, type CallPolicy, type RequestHead } from '@bascule/core';
import {
  Criticality,
  file_bascule_options_v1_options,
  rules,
} from '@bascule/schema/gen/bascule/options/v1/options_pb.ts';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { createNodeTransport, type NodeTransportOptions } from '../src/index.ts';
import { connect } from './support/calls.ts';
import { failing, startFleet, type FleetMember } from './support/fleet.ts';
import { refuseUnder } from './support/refusing.ts';
import { seeError } from './support/scenarios.ts';

const TEXT = '.google.protobuf.StringValue';

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
