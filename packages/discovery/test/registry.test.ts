import { Protocol } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { digestOf } from '@bascule/schema';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { codeOf, openRegistry, openWatch, say, type EndpointInit } from './registry-rig.ts';
import { closeAll, DIGEST, SCHEMA } from './rig.ts';

afterEach(closeAll);

const start = (historyEvents = 4_096) => openRegistry({ limits: { historyEvents } });

describe('a lease', () => {
  it('ends after its TTL, and not while it is renewed', async () => {
    const { clock, client, register, ids } = start();
    const { leaseId, ttl } = await register();
    expect([leaseId, ttl?.seconds]).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), 15n]);
    clock.advance(14_000);
    await client.renew({ leaseId });
    clock.advance(14_999);
    expect(await ids()).toEqual(['a#5']);
    clock.advance(1);
    expect(await ids()).toEqual([]);
    expect(await codeOf(client.renew({ leaseId }))).toBe(Code.NotFound);
    expect(clock.pending()).toBe(0);
  });

  it('is the same when registered twice, and its record is updated', async () => {
    const { client, register, ids } = start();
    const first = await register();
    const second = await register({ weight: 7 });
    expect(second.leaseId).toBe(first.leaseId);
    expect((await client.list({})).endpoints.map((e) => e.weight)).toEqual([7]);
    expect(await ids()).toEqual(['a#5']);
  });

  it('is not taken over by a lower incarnation, and is replaced by a higher one', async () => {
    const { client, register, ids } = start();
    const { leaseId } = await register();
    expect(await codeOf(register({ incarnation: 4n }))).toBe(Code.FailedPrecondition);
    expect(await ids()).toEqual(['a#5']);
    const next = await register({ incarnation: 6n });
    expect(next.leaseId).not.toBe(leaseId);
    expect(await ids()).toEqual(['a#6']);
    expect(await codeOf(client.renew({ leaseId }))).toBe(Code.NotFound);
    await client.deregister({ leaseId });
    expect(await ids()).toEqual(['a#6']);
  });

  it('keeps a late word of an old process out after the newer one has left', async () => {
    const { client, register, ids, clock } = start();
    const { leaseId } = await register();
    await client.deregister({ leaseId });
    expect(await codeOf(register({ incarnation: 4n }))).toBe(Code.FailedPrecondition);
    clock.advance(600_001);
    await register({ incarnation: 4n });
    expect(await ids()).toEqual(['a#4']);
  });

  it('is ended by its id only; an unknown one changes nothing', async () => {
    const { client, register, ids } = start();
    const { leaseId } = await register();
    for (const wrong of ['', '0'.repeat(32), leaseId.toUpperCase() + ' ', '__proto__', 'a#5']) {
      await client.deregister({ leaseId: wrong });
      expect(await codeOf(client.renew({ leaseId: wrong }))).toBe(Code.NotFound);
    }
    expect(await ids()).toEqual(['a#5']);
    await client.deregister({ leaseId });
    expect(await ids()).toEqual([]);
  });
});

describe('validation', () => {
  const tooMany = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`k${n}`, '']));
  const tooLarge = Array.from({ length: 200 }, (_, n) => `demo.v1.${'X'.repeat(100)}${n}`);
  it.each<[string, EndpointInit]>([
    ['instance_id', { instanceId: '' }],
    ['instance_id', { instanceId: '../etc' }],
    ['instance_id', { instanceId: 'a/../b' }],
    ['instance_id', { instanceId: '__proto__' }],
    ['instance_id', { instanceId: 'a\nb' }],
    ['instance_id', { instanceId: 'caf\u{1F600}' }],
    ['incarnation', { incarnation: -1n }],
    ['incarnation', { incarnation: 2n ** 53n }],
    ['host', { host: 'a b' }],
    ['host', { host: 'a/b' }],
    ['port', { port: 0 }],
    ['port', { port: 65_536 }],
    ['protocol', { protocol: Protocol.UNSPECIFIED }],
    ['weight', { weight: 65_536 }],
    ['zone', { zone: 'a\u0000' }],
    ['zone', { zone: 'a\u202eb' }],
    ['labels', { labels: { a: 'b\u2028c' } }],
    ['services', { services: [] }],
    ['services', { services: ['has space'] }],
    ['services', { services: ['a.B', 'a.B'] }],
    ['schema_digest', { schemaDigest: 'md5:00' }],
    ['labels', { labels: tooMany }],
    ['labels', { labels: { 'a key': '' } }],
    ['labels', { labels: { key: 'x'.repeat(256) } }],
    ['endpoint', { services: tooLarge }],
  ])('names the field: %s (%#)', async (field, overrides) => {
    const { register, ids } = start();
    const error = await register(overrides).then(
      () => undefined,
      (reason: unknown) => ConnectError.from(reason),
    );
    expect(error?.code).toBe(Code.InvalidArgument);
    expect(error?.rawMessage).toContain(field);
    expect(await ids()).toEqual([]);
  });

  it.each([999, 600_001])('refuses a TTL of %d ms', async (ttlMs) => {
    expect(await codeOf(start().register({}, { ttlMs }))).toBe(Code.InvalidArgument);
  });

  it('keeps nothing that is not sound, whatever comes', async () => {
    const { client, register, registry } = openRegistry();
    const odd = fc.oneof(
      fc.constantFrom('', '__proto__', 'constructor', '../x', 'a\u0000', '\u{1F600}', '\u202e', 'x'.repeat(300)),
      fc.string({ unit: 'binary', maxLength: 40 }).filter((given) => given.isWellFormed()),
    );
    /** Mostly sound: else every record would be refused for something else. */
    const orOdd = (...sound: string[]): fc.Arbitrary<string> =>
      fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...sound) }, { weight: 1, arbitrary: odd });
    const endpoint = fc.record(
      {
        instanceId: orOdd('a', 'b-1', 'x:7@y'),
        incarnation: fc.oneof(fc.constant(5n), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
        host: orOdd('127.0.0.1', '::1', 'example.com'),
        port: fc.nat(70_000),
        protocol: fc.nat(8),
        weight: fc.nat(70_000),
        zone: orOdd('', 'eu-1'),
        services: fc.array(orOdd('demo.v1.A', 'demo.v1.B'), { maxLength: 3 }),
        schemaDigest: orOdd(''),
        moduleVersion: orOdd('', '1.2.3'),
        labels: fc.dictionary(orOdd('a', 'b/c'), orOdd('', 'Gr\u00fc\u00dfe'), { maxKeys: 3 }),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(endpoint, orOdd(''), async (given, namespace) => {
        const code = await codeOf(register(given as EndpointInit, { namespace }));
        expect([undefined, Code.InvalidArgument, Code.FailedPrecondition]).toContain(code);
      }),
      fuzzing(500),
    );
    const kept = (await client.list({})).endpoints;
    expect(registry.status().instances).toBeGreaterThan(0);
    for (const one of kept) {
      const texts = [one.instanceId, one.host, one.zone, ...one.services, ...Object.entries(one.labels).flat()];
      for (const kept of texts) expect(kept).toMatch(/^[^\p{Cc}\p{Cf}\p{Cs}]{0,255}$/u);
    }
  });

  it('takes names of objects as names', async () => {
    const { register, ids } = start();
    await register({ instanceId: 'constructor', labels: { toString: 'x' } });
    expect(await ids()).toEqual(['constructor#5']);
  });
});

describe('a watch', () => {
  it('begins with a snapshot and goes on with changes', async () => {
    const { client, register, clock } = start();
    await register();
    const watch = openWatch(client);
    const first = await watch.next();
    expect([first.snapshot, first.events.map(say)]).toEqual([true, ['put a#5']]);
    const { leaseId } = await register({ instanceId: 'b' });
    const second = await watch.next();
    expect([second.snapshot, second.events.map(say)]).toEqual([false, ['put b#5']]);
    expect(second.revision).toBeGreaterThan(first.revision);
    await client.deregister({ leaseId });
    expect((await watch.next()).events.map(say)).toEqual(['deregistered b#5']);
    await register({ incarnation: 6n });
    expect((await watch.next()).events.map(say)).toEqual(['put a#6', 'replaced a#5']);
    const expired = watch.next();
    clock.advance(15_000);
    expect((await expired).events.map(say)).toContain('lease-expired a#6');
  });

  it('resumes after what was seen, without a snapshot', async () => {
    const { client, register } = start();
    await register();
    const watch = openWatch(client);
    const { epoch, revision } = await watch.next();
    watch.abort.abort();
    await register({ instanceId: 'b' });
    await register({ instanceId: 'c' });
    const resumed = await openWatch(client, { epoch, revision }).next();
    expect([resumed.snapshot, resumed.events.map(say)]).toEqual([false, ['put b#5', 'put c#5']]);
    const nothingMissed = await openWatch(client, { epoch, revision: resumed.revision }).next();
    expect([nothingMissed.snapshot, nothingMissed.events]).toEqual([false, []]);
  });

  it('begins anew when the history does not reach back, or the epoch is another', async () => {
    const { client, register } = start(2);
    const { epoch, revision } = await openWatch(client).next();
    for (let n = 0; n < 10; n++) await register({ instanceId: `i${n}` });
    expect((await openWatch(client, { epoch, revision }).next()).snapshot).toBe(true);
    const now = (await client.list({})).revision;
    expect((await openWatch(client, { epoch, revision: now }).next()).snapshot).toBe(false);
    expect((await openWatch(client, { epoch: epoch + 1n, revision: now }).next()).snapshot).toBe(true);
    expect((await openWatch(client, { epoch, revision: now + 1n }).next()).snapshot).toBe(true);
  });

  it('puts together what a slow reader has missed', async () => {
    const { client, register } = start();
    const watch = openWatch(client);
    await watch.next();
    for (let weight = 1; weight <= 500; weight++) await register({ weight });
    const seen = [];
    for (let last = 0; last !== 500;) {
      const { events } = await watch.next();
      seen.push(...events);
      const event = events.at(-1)?.event;
      last = event?.case === 'put' ? (event.value.weight ?? 0) : 0;
    }
    expect(seen.length).toBeLessThan(10);
  });

  it('tells an idle reader that it lives', async () => {
    const { client, register, clock } = start();
    await register({}, { ttlMs: 600_000 });
    const watch = openWatch(client);
    const first = await watch.next();
    const next = watch.next();
    await expect.poll(() => clock.pending()).toBe(2);
    clock.advance(5_000);
    expect(await next).toMatchObject({ events: [], snapshot: false, epoch: first.epoch, revision: first.revision });
  });

  it('tells only of the services asked for; an update that leaves one is a removal', async () => {
    const { client, register } = start();
    await register({ instanceId: 'other', services: ['demo.v1.B'] });
    await register({ services: ['demo.v1.A', 'demo.v1.B'] });
    const watch = openWatch(client, { services: ['demo.v1.A'] });
    expect((await watch.next()).events.map(say)).toEqual(['put a#5']);
    await register({ instanceId: 'third', services: ['demo.v1.B'] });
    await register({ services: ['demo.v1.B'] });
    expect((await watch.next()).events.map(say)).toEqual(['deregistered a#5']);
  });

  it('ends with its caller, and with the registry', async () => {
    const { client, registry, clock } = start();
    const left = openWatch(client);
    await left.next();
    left.abort.abort();
    const held = openWatch(client);
    await held.next();
    const next = held.next();
    registry.close();
    expect(await next).toBeUndefined();
    await expect.poll(() => clock.pending()).toBe(0);
  });
});

describe('descriptors', () => {
  it('are kept by digest while an instance uses them', async () => {
    const { client, register } = start();
    expect(await codeOf(register({ schemaDigest: DIGEST }))).toBe(Code.InvalidArgument);
    const first = await register({ schemaDigest: DIGEST }, { schema: SCHEMA });
    const second = await register({ instanceId: 'b', schemaDigest: DIGEST });
    await client.deregister({ leaseId: first.leaseId });
    expect((await client.getSchema({ digest: DIGEST })).schema).toEqual(SCHEMA);
    await client.deregister({ leaseId: second.leaseId });
    expect(await codeOf(client.getSchema({ digest: DIGEST }))).toBe(Code.NotFound);
  });

  it('must be what their digest says', async () => {
    const { client, register } = start();
    const noSet = new Uint8Array([1, 2, 3]);
    const lacksImport = toBinary(
      FileDescriptorSetSchema,
      create(FileDescriptorSetSchema, { file: [{ name: 'a.proto', dependency: ['b.proto'] }] }),
    );
    for (const schema of [new Uint8Array([1]), noSet, lacksImport]) {
      const schemaDigest = schema.length === 1 ? DIGEST : digestOf(schema);
      expect(await codeOf(register({ schemaDigest }, { schema }))).toBe(Code.InvalidArgument);
      expect(await codeOf(client.getSchema({ digest: schemaDigest }))).toBe(Code.NotFound);
    }
  });

  it('are forgotten when the registration is refused', async () => {
    const { client, register } = start();
    await register();
    const refused = register({ incarnation: 1n, schemaDigest: DIGEST }, { schema: SCHEMA });
    expect(await codeOf(refused)).toBe(Code.FailedPrecondition);
    expect(await codeOf(client.getSchema({ digest: DIGEST }))).toBe(Code.NotFound);
  });
});
