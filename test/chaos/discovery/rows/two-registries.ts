import type { Row } from '../row.ts';
import { conclude } from '../verdict.ts';
import { startWorld } from '../world.ts';
import { isStale, startRegistry, TTL_MS } from './common.ts';

const KILLS = 4;
const KILLED = 'one of two registries is killed';

export const TWO_REGISTRIES: Row = {
  name: 'two-registries',
  about: 'backends register with two, one of which is killed and restarted empty, again and again',
  async run(scene) {
    const systems = await Promise.all([startRegistry(scene), startRegistry(scene)]);
    const world = await startWorld(scene, { systems, ttlMs: TTL_MS });
    for (let i = 0; i < KILLS; i++) {
      await scene.pause(0, 1_500);
      const registry = scene.chance.pick(systems);
      scene.made(KILLED);
      await registry.server.kill();
      await world.observer().until('it is missed', (view) => isStale(view, registry));
      scene.bit(KILLED);
      // The other one goes on: what it is told now counts.
      if (i === 1) await world.retire('c');
      if (i === 2) await world.add('d');
      await scene.pause(0, 1_000);
      await registry.server.restart();
    }
    // The one that still lives may have been the one killed before, and not yet be told anew of who leaves.
    const measured = await conclude(scene, world, {
      removals: { deregistered: [0, 1], 'absent-and-failing': [0, 1] },
    });
    const left = Object.values(measured.removals).reduce((sum, count) => sum + count, 0);
    if (left !== 1) scene.wrong('who left is counted twice, or not at all');
    return measured;
  },
};
