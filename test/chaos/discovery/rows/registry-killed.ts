import type { Row } from '../row.ts';
import { conclude } from '../verdict.ts';
import { startWorld } from '../world.ts';
import { isStale, startRegistry, TTL_MS } from './common.ts';

const KILLS = 3;
const KILLED = 'the registry is killed';

export const REGISTRY_KILLED: Row = {
  name: 'registry-killed',
  about: 'killed, and restarted empty at the same port, again and again',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS });
    for (let i = 0; i < KILLS; i++) {
      await scene.pause(100, 2_000);
      scene.made(KILLED);
      await registry.server.kill();
      await world.observer().until('the registry is missed', (view) => isStale(view, registry));
      const { '': staleSeconds = 0 } = await world.observer().metric('bascule_discovery_stale_seconds');
      if (staleSeconds > 0) scene.bit(KILLED);
      else scene.wrong('the gauge does not say that the registry is missed');
      await scene.pause(0, 1_500);
      await registry.server.restart();
    }
    return conclude(scene, world, { removals: {} });
  },
};
