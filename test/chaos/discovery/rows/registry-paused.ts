import type { Row } from '../row.ts';
import { conclude } from '../verdict.ts';
import { startWorld } from '../world.ts';
import { isFelt, startRegistry, TTL_MS } from './common.ts';

const PAUSES = 2;
const PAUSED = 'the registry is paused beyond all leases';

export const REGISTRY_PAUSED: Row = {
  name: 'registry-paused',
  about: 'stopped (SIGSTOP) for longer than all leases, and woken: nobody is evicted',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS });
    for (let i = 0; i < PAUSES; i++) {
      await scene.pause(200, 1_500);
      scene.made(PAUSED);
      const felt = await isFelt(world.living.backends.values(), async () => {
        registry.server.pause();
        await scene.pause(TTL_MS + 500, TTL_MS + 2_500);
        registry.server.resume();
      });
      if (felt) scene.bit(PAUSED);
    }
    return conclude(scene, world, { removals: {} });
  },
};
