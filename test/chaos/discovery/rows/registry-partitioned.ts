import type { Relay } from '@bascule/testing/servers';
import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import type { System } from '../systems.ts';
import { conclude } from '../verdict.ts';
import { startWorld, type World } from '../world.ts';
import { isFelt, isStale, relaysOf, startRegistry, TTL_MS } from './common.ts';

export const REGISTRY_PARTITIONED: Row = {
  name: 'registry-partitioned',
  about: 'cut off or silent, for the gateway, for the backends beyond their leases, for all',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS, relayed: true });
    const [{ toGateway, toBackends }] = world.systems.map(relaysOf) as [ReturnType<typeof relaysOf>];
    await partition(scene, [toGateway], 'the gateway', () => changeUnseen(scene, world, registry));
    await scene.pause(500, 1_500);
    await partition(scene, [toBackends], 'the backends', () => outlastLeases(scene, world));
    await scene.pause(500, 1_500);
    await partition(scene, [toGateway, toBackends], 'all', () => outlastLeases(scene, world));
    // Of three leases that run out together one is taken at its word, and the others are doubted. Twice.
    return conclude(scene, world, { removals: { deregistered: 1, 'lease-expired': [0, 2] } });
  },
};

/** Plays `during` while the relays hand nothing on: connections are reset, or hang. It says whether anybody felt that. */
async function partition(
  scene: Scene,
  relays: readonly Relay[],
  from: string,
  during: () => Promise<boolean>,
): Promise<void> {
  const isLoud = scene.chance.chance(0.5);
  const fault = `the registry is ${isLoud ? 'cut off' : 'silent'} for ${from}`;
  scene.made(fault);
  for (const relay of relays) {
    if (isLoud) await relay.cut();
    else relay.stall();
  }
  if (await during()) scene.bit(fault);
  for (const relay of relays) {
    if (isLoud) await relay.restore();
    else relay.unstall();
  }
}

/** The gateway does not see who comes and who leaves, and sends nobody to who has left. */
async function changeUnseen(scene: Scene, world: World, registry: System): Promise<boolean> {
  await scene.pause(200, 1_500);
  await world.retire('c');
  await world.add('d');
  await scene.pause(500, 3_000);
  // Silence is noticed too, when it lasts.
  if (scene.chance.chance(0.25)) await world.observer().until('it is missed', (view) => isStale(view, registry));
  const ids = (await world.observer().ask()).endpoints.map(({ instanceId }) => instanceId);
  return ids.includes('c') && !ids.includes('d');
}

/** Long enough for every lease to run out. */
function outlastLeases(scene: Scene, world: World): Promise<boolean> {
  return isFelt(world.living.backends.values(), () => scene.pause(TTL_MS + 1_000, TTL_MS + 3_000));
}
