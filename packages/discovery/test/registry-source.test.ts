import { createVirtualClock, systemClock, type Endpoint } from '@bascule/core';
import { createSilentRegistry } from './silent-registry.ts';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { afterEach, describe, expect, it } from 'vitest';
import { toEndpointMessage } from '../src/endpoint-message.ts';
import type { KnownState } from '../src/last-known.ts';
import { createRegistrySource } from '../src/sources/registry-source.ts';
import { clientOf, closeAll, connectTo, createEndpoint, DIGEST, record, SCHEMA, startRegistry } from './rig.ts';

afterEach(closeAll);

let lastSeed = 0;
/** A seed of its own each time: the epoch of a registry is made of time and chance. */
const newClock = () => createVirtualClock(++lastSeed);

/** Retries run in real time; the registry's leases, and with `graceClock` the grace, only when the test says so. */
function follow(port: number, options: { graceMs?: number; known?: KnownState; clock?: typeof systemClock } = {}) {
  const source = createRegistrySource({
    transport: connectTo(port),
    clock: options.clock ?? systemClock,
    resyncGraceMs: options.graceMs ?? 60_000,
    known: options.known,
  });
  return { source, ...record(source) };
}

async function register(port: number, overrides: Partial<Endpoint> = {}, schema: Uint8Array = new Uint8Array()) {
  const endpoint = toEndpointMessage(createEndpoint(overrides));
  return clientOf(port).register({ endpoint, ttl: durationFromMs(15_000), schema });
}

const connected = (source: { status(): { state: string } }) =>
  expect.poll(() => source.status().state, { timeout: 5_000 }).toBe('connected');
const stale = (source: { status(): { state: string } }) =>
  expect.poll(() => source.status().state, { timeout: 5_000 }).toBe('stale');

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
    await expect.poll(() => seen.log.slice(2).sort()).toEqual(['insert places-1#2', 'remove places-1#1 replaced']);
    await clientOf(port).deregister({ leaseId });
    await expect.poll(() => seen.log.at(-1)).toBe('remove places-1#2 deregistered');
    await register(port, { instanceId: 'b' });
    await expect.poll(() => seen.keys()).toEqual(['b#1']);
    clock.advance(15_000);
    await expect.poll(() => seen.log.at(-1)).toBe('remove b#1 lease-expired');
    expect(seen.broken).toEqual([]);
  });

  it('fetches descriptors that an endpoint names, and forgets them with it', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    const seen = follow(port);
    const { leaseId } = await register(port, { schemaDigest: DIGEST }, SCHEMA);
    await expect.poll(() => seen.schemas.get(DIGEST)).toEqual(SCHEMA);
    expect(seen.source.schemaFor(DIGEST)).toEqual(SCHEMA);
    await clientOf(port).deregister({ leaseId });
    await expect.poll(() => seen.source.schemaFor(DIGEST)).toBeUndefined();
  });

  it('notices a registry that says nothing any more', async () => {
    const clock = newClock();
    const silent = createSilentRegistry();
    const source = createRegistrySource({ transport: silent.transport, clock, resyncGraceMs: 1 });
    const seen = record(source);
    await connected(source);
    clock.advance(14_999);
    expect(silent.watches).toBe(1);
    clock.advance(1);
    await stale(source);
    expect(seen.statuses.at(-1)?.error).toMatch(/no word/);
    clock.advance(1_000);
    await expect.poll(() => silent.watches).toBe(2);
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
    expect(seen.keys()).toEqual(['places-1#1']);
    await register(first.port);
    await register(first.port, { instanceId: 'b' });
    await expect.poll(() => seen.keys()).toEqual(['b#1', 'places-1#1']);
    // The same record of the same instance is no change, so the balancer hears nothing of the restart.
    expect(seen.log).toEqual(['insert places-1#1', 'insert b#1']);
    expect(seen.statuses.filter((s) => s.state === 'stale' && s.sinceMs !== since)).toEqual([]);
  });

  it('is asked only for what was missed when the same one is there again', async () => {
    const silent = createSilentRegistry();
    const clock = newClock();
    const source = createRegistrySource({ transport: silent.transport, clock, resyncGraceMs: 1 });
    record(source);
    await connected(source);
    silent.end();
    await stale(source);
    clock.advance(1_000);
    await expect.poll(() => silent.requests.length).toBe(2);
    expect(silent.requests.map(({ epoch, revision }) => [epoch, revision])).toEqual([
      [0n, 0n],
      [9n, 4n],
    ]);
  });

  it('drops after the grace who has not come back to the new one', async () => {
    const first = await startRegistry({ clock: newClock() });
    await register(first.port);
    await register(first.port, { instanceId: 'gone' });
    const seen = follow(first.port, { graceMs: 300 });
    await expect.poll(() => seen.keys().length).toBe(2);
    await first.kill();
    await stale(seen.source);
    // While there is no registry no grace runs.
    await new Promise((resolve) => systemClock.after(400, () => resolve(undefined)));
    expect(seen.keys()).toEqual(['gone#1', 'places-1#1']);
    await startRegistry({ clock: newClock(), port: first.port });
    await connected(seen.source);
    await register(first.port);
    await expect.poll(() => seen.log.at(-1), { timeout: 5_000 }).toBe('remove gone#1 not-in-source');
    expect(seen.keys()).toEqual(['places-1#1']);
    expect(seen.broken).toEqual([]);
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
    expect(seen.log).toEqual(['insert places-1#1', 'insert places-1#2', 'remove places-1#1 replaced']);
  });
});

describe('a watch that breaks', () => {
  it('stops the grace: only a registry that is there can miss somebody', async () => {
    const clock = newClock();
    const silent = createSilentRegistry();
    const known = { endpoints: [createEndpoint()], schemas: new Map() };
    const source = createRegistrySource({ transport: silent.transport, clock, resyncGraceMs: 10_000, known });
    const seen = record(source);
    await connected(source);
    clock.advance(9_000);
    silent.end();
    await stale(source);
    clock.advance(10_000);
    expect(seen.keys()).toEqual(['places-1#1']);
    await connected(source);
    clock.advance(9_999);
    expect(seen.keys()).toEqual(['places-1#1']);
    clock.advance(1);
    expect(seen.log).toEqual(['insert places-1#1', 'remove places-1#1 not-in-source']);
  });

  it('is caught up by a snapshot: who left the same registry meanwhile has left for sure', async () => {
    const clock = newClock();
    const [a, b] = [createEndpoint({ instanceId: 'a' }), createEndpoint({ instanceId: 'b' })];
    const silent = createSilentRegistry([[a, b], [b]]);
    const source = createRegistrySource({ transport: silent.transport, clock, resyncGraceMs: 10_000 });
    const seen = record(source);
    await expect.poll(() => seen.keys()).toEqual(['a#1', 'b#1']);
    silent.end();
    await stale(source);
    clock.advance(1_000);
    await connected(source);
    expect(seen.log).toEqual(['insert a#1', 'insert b#1', 'remove a#1 not-in-source']);
  });
});

describe('a last known set', () => {
  const known = { endpoints: [createEndpoint()], schemas: new Map([['sha256:a', SCHEMA]]) };

  it('serves without any registry', async () => {
    const { port, kill } = await startRegistry({ clock: newClock() });
    await kill();
    const seen = follow(port, { known });
    expect(seen.keys()).toEqual(['places-1#1']);
    await stale(seen.source);
    expect(seen.keys()).toEqual(['places-1#1']);
  });

  it('gives way to what the registry says', async () => {
    const { port } = await startRegistry({ clock: newClock() });
    await register(port, { instanceId: 'b' });
    const seen = follow(port, { known, graceMs: 50 });
    await expect.poll(() => seen.keys()).toEqual(['b#1']);
    expect(seen.log).toEqual(['insert places-1#1', 'insert b#1', 'remove places-1#1 not-in-source']);
  });
});
