import { canStart, type Relay } from '@bascule/testing/servers';
import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import { FOREIGN, type System } from '../systems.ts';
import { conclude } from '../verdict.ts';
import { startWorld, type World } from '../world.ts';
import { isFelt, isStale, relaysOf, shuffle } from './common.ts';

/** Everything that a system of others can do to us, in an order of chance. */
export function createForeignRow(name: keyof typeof FOREIGN, about: string): Row {
  return {
    name,
    about,
    missing: () => (canStart(name) ? undefined : 'its server is not here'),
    async run(scene) {
      const system = await FOREIGN[name]();
      scene.stack.defer(() => system.server.stop());
      const world = await startWorld(scene, { systems: [system], ttlMs: TTL_MS, relayed: true });
      const faults = [kill(false), kill(true), partitionGateway, partitionBackends, pauseIt];
      for (const fault of shuffle(scene, faults)) {
        await fault(scene, world, system);
        await scene.pause(0, 1_500);
      }
      return conclude(scene, world, { removals: { 'lease-expired': [0, 3] } });
    },
  };
}

type Fault = (scene: Scene, world: World, system: System) => Promise<void>;

const TTL_MS = 3_000;

function kill(empty: boolean): Fault {
  const fault = `it is killed and restarted ${empty ? 'empty' : 'as it was'}`;
  return async (scene, world, system) => {
    await world.observer().until('it is heard', (view) => !isStale(view, system));
    scene.made(fault);
    await system.server.kill();
    await world.observer().until('it is missed', (view) => isStale(view, system));
    scene.bit(fault);
    await scene.pause(0, 1_000);
    await system.server.restart({ empty });
  };
}

async function partitionGateway(scene: Scene, world: World, system: System): Promise<void> {
  const [{ toGateway }] = world.systems.map(relaysOf) as [ReturnType<typeof relaysOf>];
  await partition(scene, toGateway, 'the gateway', async () => {
    const before = toGateway.connections;
    await scene.pause(1_000, 4_000);
    // Some ask again and again, each time over another connection.
    return before > 0 || toGateway.connections > 0 || isStale(await world.observer().ask(), system);
  });
}

/** For longer than their leases: the system takes that for their end, unless it knows better. */
async function partitionBackends(scene: Scene, world: World): Promise<void> {
  const [{ toBackends }] = world.systems.map(relaysOf) as [ReturnType<typeof relaysOf>];
  await partition(scene, toBackends, 'the backends', () =>
    isFelt(world.living.backends.values(), () => scene.pause(TTL_MS + 1_500, TTL_MS + 4_000)),
  );
}

async function partition(scene: Scene, relay: Relay, from: string, during: () => Promise<boolean>): Promise<void> {
  const isLoud = scene.chance.chance(0.5);
  const fault = `it is ${isLoud ? 'cut off' : 'silent'} for ${from}`;
  scene.made(fault);
  if (isLoud) await relay.cut();
  else relay.stall();
  if (await during()) scene.bit(fault);
  if (isLoud) await relay.restore();
  else relay.unstall();
}

async function pauseIt(scene: Scene, world: World, system: System): Promise<void> {
  const fault = 'it is paused beyond all leases';
  scene.made(fault);
  const felt = await isFelt(world.living.backends.values(), async () => {
    system.server.pause();
    await scene.pause(TTL_MS + 500, TTL_MS + 2_000);
    system.server.resume();
  });
  if (felt) scene.bit(fault);
}
