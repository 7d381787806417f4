import { canStart } from '@bascule/testing/servers';
import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import { startDnsSystem } from '../systems.ts';
import { untilTrue } from '../truth.ts';
import { conclude } from '../verdict.ts';
import { startWorld, type World } from '../world.ts';
import { isStale, shuffle } from './common.ts';

type Dns = Awaited<ReturnType<typeof startDnsSystem>>;

export const DNS: Row = {
  name: 'dns',
  about: 'killed, paused, failing, without any of its records, and with one record less',
  missing: () => (canStart('dns') ? undefined : 'its server is not here'),
  async run(scene) {
    const dns = await startDnsSystem();
    scene.stack.defer(() => dns.server.stop());
    const world = await startWorld(scene, { systems: [dns], ttlMs: 0 });
    for (const fault of shuffle(scene, [kill, pauseIt, fail, empty])) {
      await fault(scene, world, dns);
      // Else what is felt next would be what is felt still.
      await untilTrue(world);
      await scene.pause(0, 500);
    }
    await world.retire('c');
    // Whichever is faster: two answers without it, or one and three checks that fail.
    const most = [0, 1] as const;
    const measured = await conclude(scene, world, { removals: { 'not-in-source': most, 'absent-and-failing': most } });
    if (Object.keys(measured.removals).length !== 1) scene.wrong('who left is counted twice, or not at all');
    return measured;
  },
};

async function untilMissed(scene: Scene, world: World, dns: Dns, fault: string): Promise<void> {
  await world.observer().until('it is missed', (view) => isStale(view, dns));
  scene.bit(fault);
  await scene.pause(0, 2_000);
}

async function kill(scene: Scene, world: World, dns: Dns): Promise<void> {
  const fault = 'it is killed';
  scene.made(fault);
  await dns.server.kill();
  await untilMissed(scene, world, dns, fault);
  await dns.server.restart();
}

async function pauseIt(scene: Scene, world: World, dns: Dns): Promise<void> {
  const fault = 'it is paused';
  scene.made(fault);
  dns.server.pause();
  await untilMissed(scene, world, dns, fault);
  dns.server.resume();
}

async function fail(scene: Scene, world: World, dns: Dns): Promise<void> {
  const fault = 'it answers SERVFAIL';
  scene.made(fault);
  await dns.server.fail();
  await untilMissed(scene, world, dns, fault);
  await dns.write?.([...world.living.backends.values()]);
}

/** Shorter than the grace that is given to a name that is gone. */
async function empty(scene: Scene, world: World, dns: Dns): Promise<void> {
  const fault = 'it knows no records any more';
  scene.made(fault);
  await dns.write?.([]);
  await world
    .observer()
    .until('all are doubted', ({ endpoints }) => endpoints.every(({ state }) => state === 'absent'));
  scene.bit(fault);
  await scene.pause(0, 3_000);
  await dns.write?.([...world.living.backends.values()]);
}
