import type { Row } from '../row.ts';
import { conclude } from '../verdict.ts';
import { untilShown } from '../truth.ts';
import { startWorld } from '../world.ts';
import { startRegistry, TTL_MS } from './common.ts';

const PAUSED = 'a backend is paused beyond its lease';

export const BACKEND_PAUSED: Row = {
  name: 'backend-paused',
  about: 'a backend is stopped (SIGSTOP) beyond its lease, and woken: it leaves once and comes back once',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS, backends: 2 });
    const victim = await world.addProcess('victim');
    await untilShown(world, victim);
    await scene.pause(200, 1_500);
    scene.made(PAUSED);
    victim.pause();
    await world
      .observer()
      .until('its lease runs out', ({ removals }) =>
        removals.some(({ instanceId, cause }) => instanceId === 'victim' && cause === 'lease-expired'),
      );
    scene.bit(PAUSED);
    await scene.pause(0, 2_000);
    victim.resume();
    // Calls that it had wait for it: nothing else knows whether they were done.
    const measured = await conclude(scene, world, { removals: { 'lease-expired': 1 } });
    const registrations = victim.events().filter((type) => type === 'registered').length;
    if (registrations !== 2)
      scene.wrong(`it registered ${registrations} times, and not twice: ${victim.events().join()}`);
    return measured;
  },
};
