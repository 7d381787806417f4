import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import type { System } from '../systems.ts';
import { conclude } from '../verdict.ts';
import { untilShown } from '../truth.ts';
import { startWorld, type World } from '../world.ts';
import { startRegistry, TTL_MS } from './common.ts';

const ROUNDS = 1;
const FLAPS = 'the registry is killed and restarted empty while backends are restarted';

export const ROLLING_RESTART: Row = {
  name: 'rolling-restart',
  about: 'every backend is replaced by a newer process, again and again, while the registry flaps',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS });
    const ended = new AbortController();
    const flapping = flap(scene, registry, ended.signal);
    let restarts = 0;
    try {
      for (let round = 0; round < ROUNDS; round++) {
        for (const instanceId of world.living.backends.keys()) {
          await replace(world, instanceId);
          restarts++;
          await scene.pause(0, 500);
        }
      }
    } finally {
      ended.abort();
      await flapping;
    }
    // Each old process leaves once: by its own word, by that of its successor, or since it is missing and does not answer.
    const most = [0, restarts] as const;
    const removals = { deregistered: most, replaced: most, 'absent-and-failing': most };
    const measured = await conclude(scene, world, { removals });
    const left = Object.values(measured.removals).reduce((sum, count) => sum + count, 0);
    if (left !== restarts) scene.wrong(`${left} left, and ${restarts} were replaced`);
    return measured;
  },
};

async function flap(scene: Scene, registry: System, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    await scene.pause(1_000, 5_000);
    scene.made(FLAPS);
    await registry.server.kill();
    await scene.pause(0, 1_000);
    await registry.server.restart();
    scene.bit(FLAPS);
  }
}

/** The new one is registered before the old one goes, and the gateway has it before the next one's turn: as rollouts do. */
async function replace(world: World, instanceId: string): Promise<void> {
  const old = world.living.backends.get(instanceId);
  await untilShown(world, await world.add(instanceId));
  await old?.close();
}
