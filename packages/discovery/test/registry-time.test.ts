import { systemClock } from '@bascule/core';
import { afterEach, describe, expect, it } from 'vitest';
import type { ExpiryEvent } from '../src/registry/expiry.ts';
import { createRegistrar, type RegistrarEvent } from '../src/registrar.ts';
import { createRegistryRegistrar } from '../src/registrars/registry.ts';
import { createSleepyClock, openRegistry } from './registry-rig.ts';
import { clientOf, closeAll, connectTo, createEndpoint, onClose } from './rig.ts';
import { startRegistryServer } from './systems/registry-server.ts';

afterEach(closeAll);

function openSleepy() {
  const clock = createSleepyClock();
  const events: ExpiryEvent[] = [];
  return { ...openRegistry({ clock, onEvent: (event) => void events.push(event) }), clock, events };
}

describe('time that a registry slept through', () => {
  it('gives every lease a fresh TTL when it was long', async () => {
    const { clock, register, ids, events } = openSleepy();
    await register();
    clock.advance(14_000);
    await register({ instanceId: 'b' });
    clock.sleep(60_000);
    clock.advance(14_800);
    expect(await ids()).toEqual(['a#5', 'b#5']);
    expect(events).toEqual([{ type: 'slept', sleptMs: 60_000 }]);
    clock.advance(400);
    expect(await ids()).toEqual([]);
  });

  it('does not count when it was short', async () => {
    const { clock, register, ids, events } = openSleepy();
    await register();
    // Five times 0.9 s, none of them a sleep by itself.
    for (let n = 0; n < 5; n++) {
      clock.advance(2_000);
      clock.sleep(900);
    }
    clock.advance(4_800);
    expect(await ids()).toEqual(['a#5']);
    clock.advance(400);
    expect(await ids()).toEqual([]);
    expect(events).toEqual([]);
  });

  it('is noticed by the wall clock where the monotonic one stands still with the machine', async () => {
    const { clock, register, ids, events } = openSleepy();
    await register();
    clock.advance(14_600);
    clock.suspend(3_600_000);
    clock.advance(10_000);
    expect(await ids()).toEqual(['a#5']);
    expect(events).toEqual([{ type: 'slept', sleptMs: 3_600_000 }]);
    clock.advance(5_200);
    expect(await ids()).toEqual([]);
  });

  it('is nothing when the wall clock is set back', async () => {
    const { clock, register, ids, events } = openSleepy();
    await register();
    clock.suspend(-3_600_000);
    clock.advance(15_000);
    expect([await ids(), events]).toEqual([[], []]);
  });

  it('costs nobody the lease when the process is stopped for longer than its TTL', async () => {
    const server = await startRegistryServer();
    onClose(() => server.stop());
    const { port } = server;
    const events: RegistrarEvent[] = [];
    const registrar = createRegistrar({
      driver: createRegistryRegistrar({
        transport: connectTo(port),
        namespace: '',
        schema: new Uint8Array(),
        ttlMs: 2_000,
      }),
      endpoint: createEndpoint(),
      clock: systemClock,
      onEvent: (event) => void events.push(event),
    });
    onClose(() => registrar.close());
    await registrar.registered;
    const { epoch, revision } = await clientOf(port).list({});

    server.pause();
    // Longer than the TTL by more than a tick: without the rule the first timer after it would expire the lease.
    await new Promise((resolve) => setTimeout(resolve, 3_500));
    server.resume();
    // More than another TTL, in which it renews as ever.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(await clientOf(port).list({})).toMatchObject({ epoch, revision });
    expect(events.filter(({ type }) => type !== 'retrying')).toEqual([{ type: 'registered', ttlMs: 2_000 }]);
  });
});
