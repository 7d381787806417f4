import { createVirtualClock, type VirtualClock } from '@bascule/core';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistrar, type RegistrarEvent } from '../src/registrar.ts';
import { createRegistryRegistrar } from '../src/registrars/registry.ts';
import { RegistrationRefused } from '../src/registrars/registration.ts';
import { clientOf, closeAll, connectTo, createEndpoint, DIGEST, onClose, SCHEMA, startRegistry } from './rig.ts';

afterEach(closeAll);

function registerAt(port: number, clock: VirtualClock, incarnation = 1) {
  const events: RegistrarEvent[] = [];
  const registrar = createRegistrar({
    driver: createRegistryRegistrar({ transport: connectTo(port), namespace: '', schema: SCHEMA, ttlMs: 15_000 }),
    endpoint: createEndpoint({ schemaDigest: DIGEST, incarnation }),
    clock,
    onEvent: (event) => void events.push(event),
  });
  onClose(() => {
    const closed = registrar.close();
    // Where its registry is gone, it waits for it until this time is over.
    clock.advance(2_000);
    return closed;
  });
  return { registrar, events, types: () => events.map((event) => event.type) };
}

const ids = async (port: number) =>
  (await clientOf(port).list({})).endpoints.map((e) => `${e.instanceId}#${e.incarnation}`);

/** Moves both clocks by small steps, so that what a step sends arrives before the next. */
async function live(clocks: VirtualClock[], forMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < forMs; passedMs += 1_000) {
    for (const clock of clocks) clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

describe('a registrar', () => {
  it('registers, renews beyond the TTL, and deregisters when closed', async () => {
    const [registryClock, clock] = [createVirtualClock(), createVirtualClock(2)];
    const { port } = await startRegistry({ clock: registryClock });
    const { registrar, types } = registerAt(port, clock);
    await registrar.registered;
    expect(await ids(port)).toEqual(['places-1#1']);
    await live([registryClock, clock], 60_000);
    expect(await ids(port)).toEqual(['places-1#1']);
    expect(types()).toEqual(['registered']);
    await Promise.all([registrar.close(), registrar.close()]);
    expect(await ids(port)).toEqual([]);
    expect(types()).toEqual(['registered', 'deregistered']);
    expect(clock.pending()).toBe(0);
  });

  it('waits for a registry that comes later, and comes back to one that restarts', async () => {
    const clock = createVirtualClock();
    const first = await startRegistry({ clock: createVirtualClock() });
    await first.kill();
    const { registrar, types } = registerAt(first.port, clock);
    await expect.poll(() => types()).toContain('retrying');
    const second = await startRegistry({ clock: createVirtualClock(), port: first.port });
    await expect.poll(() => (clock.advance(5_000), types())).toContain('registered');
    await registrar.registered;
    await second.kill();
    await startRegistry({ clock: createVirtualClock(), port: first.port });
    await expect
      .poll(() => (clock.advance(1_000), types().filter((type) => type !== 'retrying')))
      .toEqual(['registered', 'lease-lost', 'registered']);
    expect(await ids(first.port)).toEqual(['places-1#1']);
  });

  it('comes back after a pause that cost it the lease', async () => {
    const [registryClock, clock] = [createVirtualClock(), createVirtualClock()];
    const { port } = await startRegistry({ clock: registryClock });
    const { registrar, types } = registerAt(port, clock);
    await registrar.registered;
    registryClock.advance(60_000);
    expect(await ids(port)).toEqual([]);
    clock.advance(60_000);
    await expect.poll(() => types()).toEqual(['registered', 'lease-lost', 'registered']);
    expect(await ids(port)).toEqual(['places-1#1']);
  });

  it('stops when a newer process of its instance is there', async () => {
    const clock = createVirtualClock();
    const { port } = await startRegistry({ clock: createVirtualClock() });
    const newer = registerAt(port, createVirtualClock(), 2);
    await newer.registrar.registered;
    const { registrar, types, events } = registerAt(port, clock, 1);
    await expect(registrar.registered).rejects.toThrow(RegistrationRefused);
    expect(types()).toEqual(['rejected']);
    expect(events[0]).toMatchObject({ error: expect.stringMatching(/newer process/) as string });
    expect(clock.pending()).toBe(0);
    await registrar.close();
    expect(await ids(port)).toEqual(['places-1#2']);
  });

  it('ends in bounded time when the registry never answers, leaving no rejection behind', async () => {
    const clock = createVirtualClock();
    const hang: Interceptor = () => () => new Promise(() => {});
    const { port } = await startRegistry({ clock: createVirtualClock(), interceptors: [hang] });
    const { registrar } = registerAt(port, clock);
    const closed = registrar.close();
    await new Promise(setImmediate);
    clock.advance(2_000);
    await closed;
    await expect(registrar.registered).rejects.toThrow(/closed before/);
  });

  it('gives back a lease whose registration was under way when it was closed', async () => {
    const [asked, release] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const slow: Interceptor = (next) => async (request) => {
      if (request.method.name === 'Register') {
        asked.resolve();
        await release.promise;
      }
      return next(request);
    };
    const { port } = await startRegistry({ clock: createVirtualClock(), interceptors: [slow] });
    const { registrar, types } = registerAt(port, createVirtualClock());
    await asked.promise;
    const closed = registrar.close();
    release.resolve();
    await closed;
    expect(types()).toEqual(['registered', 'deregistered']);
    expect(await ids(port)).toEqual([]);
  });

  it('deregisters as soon as the registry is back, for as long as it has time', async () => {
    const clock = createVirtualClock();
    let failures = 3;
    const failing: Interceptor = (next) => (request) => {
      if (request.method.name === 'Deregister' && failures-- > 0) throw new ConnectError('away', Code.Unavailable);
      return next(request);
    };
    const { port } = await startRegistry({ clock: createVirtualClock(), interceptors: [failing] });
    const { registrar, types } = registerAt(port, clock);
    await registrar.registered;
    const closed = registrar.close();
    await expect.poll(() => (clock.advance(50), types())).toEqual(['registered', 'deregistered']);
    await closed;
    expect(await ids(port)).toEqual([]);
    expect(clock.pending()).toBe(0);
  });

  it('says why it could not deregister in time', async () => {
    const clock = createVirtualClock();
    const failing: Interceptor = (next) => (request) => {
      if (request.method.name === 'Deregister') throw new ConnectError('away', Code.Unavailable);
      return next(request);
    };
    const { port } = await startRegistry({ clock: createVirtualClock(), interceptors: [failing] });
    const { registrar, events, types } = registerAt(port, clock);
    await registrar.registered;
    const closed = registrar.close();
    await expect.poll(() => (clock.advance(50), types())).toEqual(['registered', 'retrying']);
    await closed;
    expect(events[1]).toMatchObject({ error: expect.stringMatching(/^not deregistered.*: .*away/) as string });
    expect(clock.pending()).toBe(0);
  });

  it('goes on trying when it is told to come with a token', async () => {
    const clock = createVirtualClock();
    let isOpen = false;
    const gate: Interceptor = (next) => (request) => {
      if (!isOpen) throw new ConnectError('a token is needed', Code.Unauthenticated);
      return next(request);
    };
    const { port } = await startRegistry({ clock: createVirtualClock(), interceptors: [gate] });
    const { events, types } = registerAt(port, clock);
    await expect.poll(() => types()).toEqual(['retrying']);
    expect(events[0]).toMatchObject({ error: expect.stringMatching(/token/) as string });
    isOpen = true;
    clock.advance(1_000);
    await expect.poll(() => types()).toEqual(['retrying', 'registered']);
  });
});
