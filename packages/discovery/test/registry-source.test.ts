import { createVirtualClock, systemClock, type Clock, type Endpoint } from '@bascule/core';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Transport } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { toEndpointMessage } from '../src/endpoint-message.ts';
import { createSource } from '../src/sources/create-source.ts';
import { createRegistryDriver } from '../src/sources/registry.ts';
import { clientOf, closeAll, connectTo, createEndpoint, DIGEST, record, SCHEMA, startRegistry } from './rig.ts';
import { createSilentRegistry } from './silent-registry.ts';

afterEach(closeAll);

let lastSeed = 0;
/** A seed of its own each time: the epoch of a registry is made of time and chance. */
const newClock = () => createVirtualClock(++lastSeed);

function followBy(transport: Transport, clock: Clock = systemClock, namespace = '') {
  const driver = createRegistryDriver({ transport, clock, namespace, schemas: new Map() });
  return record(createSource({ driver, clock }));
}

/** Retries run in real time; the registry's leases only when the test says so. */
const follow = (port: number, namespace = '') => followBy(connectTo(port), systemClock, namespace);

async function register(
  port: number,
  overrides: Partial<Endpoint> = {},
  { schema = new Uint8Array(), namespace = '' }: { schema?: Uint8Array; namespace?: string } = {},
) {
  const endpoint = toEndpointMessage(createEndpoint(overrides));
  return clientOf(port).register({ endpoint, ttl: durationFromMs(15_000), schema, namespace });
}

const connected = (source: { status(): { state: string } }) =>
  expect.poll(() => source.status().state).toBe('connected');
const stale = (source: { status(): { state: string } }) => expect.poll(() => source.status().state).toBe('stale');

describe('following a registry', () => {
  it('tells inserts, updates and removals with their cause', async () => {
    const clock = newClock();
    const { port } = await startRegistry({ clock });
    const seen = follow(port);
    await connected(seen.source);
    await register(port);
    await expect.poll(() => seen.log).toEqual(['insert places-1#1']);
    await register(port, { weight: 3 });
    await expect.poll(() => seen.log.at(-1)).toBe('update places-1#1');
    expect(seen.set.get('places-1#1')?.weight).toBe(3);
    const { leaseId } = await register(port, { incarnation: 2 });
    // The new one first: a set of one must not be empty in between.
    await expect.poll(() => seen.log.slice(2)).toEqual(['insert places-1#2', 'remove places-1#1 replaced']);
    await clientOf(port).deregister({ leaseId });
    await expect.poll(() => seen.log.at(-1)).toBe('remove places-1#2 deregistered');
    await register(port, { instanceId: 'b' });
    await expect.poll(() => seen.keys()).toEqual(['b#1']);
    clock.advance(15_000);
    await expect.poll(() => seen.log.at(-1)).toBe('remove b#1 lease-expired');
    expect(seen.broken).toEqual([]);
  });

  it('sees its own namespace only; an id may be in several', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    const [first, second] = [follow(port), follow(port, 'green')];
    await register(port, { weight: 1 });
    await register(port, { weight: 2 }, { namespace: 'green' });
    await register(port, { instanceId: 'b' }, { namespace: 'green' });
    await expect.poll(() => [first.keys(), second.keys()]).toEqual([['places-1#1'], ['b#1', 'places-1#1']]);
    expect([first, second].map((seen) => seen.set.get('places-1#1')?.weight)).toEqual([1, 2]);
  });

  it('fetches descriptors that an endpoint names, and forgets them with it', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    const seen = follow(port);
    const { leaseId } = await register(port, { schemaDigest: DIGEST }, { schema: SCHEMA });
    await expect.poll(() => seen.schemas.get(DIGEST)).toEqual(SCHEMA);
    expect(seen.source.schemaFor(DIGEST)).toEqual(SCHEMA);
    await clientOf(port).deregister({ leaseId });
    await expect.poll(() => seen.source.schemaFor(DIGEST)).toBeUndefined();
  });

  it('notices a registry that says nothing any more', async () => {
    const clock = newClock();
    const silent = createSilentRegistry();
    const seen = followBy(silent.transport, clock);
    await connected(seen.source);
    clock.advance(14_999);
    expect(silent.watches).toBe(1);
    clock.advance(1);
    await stale(seen.source);
    expect(seen.statuses.at(-1)?.error).toMatch(/no word/);
    clock.advance(1_000);
    await expect.poll(() => silent.watches).toBe(2);
  });

  it('tells the load that instances report, and how they are', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    const loads: [string, number][] = [];
    const driver = createRegistryDriver({
      transport: connectTo(port),
      clock: systemClock,
      namespace: '',
      schemas: new Map(),
    });
    const source = createSource({ driver, clock: systemClock });
    const seen = record({
      ...source,
      start: (listener) =>
        source.start({ ...listener, load: (key, utilization) => void loads.push([key, utilization]) }),
    });
    const endpoint = toEndpointMessage({ ...createEndpoint(), utilization: 0.81, health: 'draining' });
    await clientOf(port).register({ endpoint });
    await expect.poll(() => loads).toEqual([['places-1#1', 0.8]]);
    expect(seen.set.get('places-1#1')?.health).toBe('draining');
  });

  it('takes no record that a careless registry lets through, and keeps what it knew of it', async () => {
    const good = [createEndpoint(), createEndpoint({ instanceId: 'b' })];
    const bad = [createEndpoint({ host: 'a b\n' }), createEndpoint({ instanceId: 'b' })];
    const silent = createSilentRegistry([good, bad, good]);
    const clock = newClock();
    const seen = followBy(silent.transport, clock);
    await expect.poll(() => seen.keys()).toEqual(['b#1', 'places-1#1']);
    silent.end();
    await stale(seen.source);
    clock.advance(1_000);
    await connected(seen.source);
    expect(seen.log).toEqual(['insert places-1#1', 'insert b#1']);
    expect(seen.warnings).toEqual([expect.stringMatching(/"places-1" cannot be read: .*endpoint\.host/)]);
  });
});

describe('a registry that goes', () => {
  it('changes nothing, and is found again with what it was told meanwhile', async () => {
    const clock = newClock();
    const first = await startRegistry({ clock });
    await register(first.port);
    const seen = follow(first.port);
    await expect.poll(() => seen.keys()).toEqual(['places-1#1']);
    await first.kill();
    await stale(seen.source);
    expect(seen.source.status().error).toBeTruthy();
    expect(seen.keys()).toEqual(['places-1#1']);
    const since = seen.source.status().sinceMs;

    await startRegistry({ clock, port: first.port });
    await connected(seen.source);
    // It knows nobody: that says nothing of who was there before.
    expect(seen.log).toEqual(['insert places-1#1', 'doubt places-1#1']);
    await register(first.port);
    await register(first.port, { instanceId: 'b' });
    await expect.poll(() => seen.keys()).toEqual(['b#1', 'places-1#1']);
    expect(seen.log).toEqual(['insert places-1#1', 'doubt places-1#1', 'update places-1#1', 'insert b#1']);
    expect(seen.statuses.filter((s) => s.state === 'stale' && s.sinceMs !== since)).toEqual([]);
  });

  it('is asked only for what was missed when the same one is there again', async () => {
    const silent = createSilentRegistry();
    const clock = newClock();
    const seen = followBy(silent.transport, clock);
    await connected(seen.source);
    silent.end();
    await stale(seen.source);
    clock.advance(1_000);
    await expect.poll(() => silent.requests.length).toBe(2);
    expect(silent.requests.map(({ epoch, revision }) => [epoch, revision])).toEqual([
      [0n, 0n],
      [9n, 4n],
    ]);
  });

  it('drops an older process at once when its successor comes to the new one', async () => {
    const first = await startRegistry({ clock: newClock() });
    await register(first.port);
    const seen = follow(first.port);
    await expect.poll(() => seen.keys().length).toBe(1);
    await first.kill();
    await startRegistry({ clock: newClock(), port: first.port });
    await connected(seen.source);
    await register(first.port, { incarnation: 2 });
    await expect.poll(() => seen.keys()).toEqual(['places-1#2']);
    expect(seen.log.slice(-2)).toEqual(['insert places-1#2', 'remove places-1#1 replaced']);
  });
});

describe('a watch that breaks', () => {
  it('is caught up by a snapshot: who left the same registry meanwhile has left for sure', async () => {
    const clock = newClock();
    const [a, b] = [createEndpoint({ instanceId: 'a' }), createEndpoint({ instanceId: 'b' })];
    const silent = createSilentRegistry([[a, b], [b]]);
    const seen = followBy(silent.transport, clock);
    await expect.poll(() => seen.keys()).toEqual(['a#1', 'b#1']);
    silent.end();
    await stale(seen.source);
    clock.advance(1_000);
    await connected(seen.source);
    expect(seen.log).toEqual(['insert a#1', 'insert b#1', 'remove a#1 not-in-source']);
  });

  it('is asked a second time when most of the set is missing, before it counts', async () => {
    const clock = newClock();
    const all = ['a', 'b', 'c'].map((instanceId) => createEndpoint({ instanceId }));
    const silent = createSilentRegistry([all, all.slice(0, 1), all.slice(0, 1)]);
    const seen = followBy(silent.transport, clock);
    await expect.poll(() => seen.keys().length).toBe(3);
    silent.end();
    await stale(seen.source);
    clock.advance(1_000);
    await connected(seen.source);
    expect(seen.log.slice(3)).toEqual(['doubt b#1', 'doubt c#1']);
    clock.advance(5_000);
    await expect.poll(() => seen.keys()).toEqual(['a#1']);
    expect(silent.requests.map(({ revision }) => revision)).toEqual([0n, 4n, 0n]);
    // That it was asked anew is nothing that its status tells.
    expect(seen.source.status().state).toBe('connected');
  });
});

describe('a large snapshot', () => {
  it('comes in parts, and counts once it is whole', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    const client = clientOf(port);
    const ids = Array.from({ length: 2_500 }, (_, n) => `i${n}`);
    await Promise.all(
      ids.map((instanceId) => client.register({ endpoint: toEndpointMessage(createEndpoint({ instanceId })) })),
    );
    const seen = follow(port);
    await connected(seen.source);
    expect(seen.keys()).toEqual(ids.map((id) => `${id}#1`).sort());
    expect(seen.broken).toEqual([]);
  });
});
