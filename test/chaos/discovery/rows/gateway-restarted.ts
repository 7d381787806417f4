import { DAMAGES, makeGenerations, type Generations } from '../generations.ts';
import type { Row } from '../row.ts';
import type { Scene } from '../scene.ts';
import { conclude } from '../verdict.ts';
import { startWorld, type World } from '../world.ts';
import { startRegistry, TTL_MS } from './common.ts';

export const GATEWAY_RESTARTED: Row = {
  name: 'gateway-restarted',
  about: 'the registry is down and the gateway killed: it starts from its last known file, or from the one before',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS });
    const generations = await makeGenerations(world);
    await registry.server.kill();
    const names = Object.keys(DAMAGES);
    for (const damage of ['intact', scene.chance.pick(names), scene.chance.pick(names)]) {
      await restartGateway(scene, world, generations, damage);
    }
    await scene.pause(0, 1_000);
    await registry.server.restart();
    // Each process counts its own removals: the last one has seen none, and nor has anybody missed anybody before.
    return conclude(scene, world, { removals: {} });
  },
};

async function restartGateway(scene: Scene, world: World, generations: Generations, damage: string): Promise<void> {
  const { gateway, traffic, living } = world;
  const fault = `the gateway is restarted with a last known file that is ${damage}`;
  await traffic.stop();
  await world.lookAway();
  scene.made(fault);
  await gateway.kill();
  generations.restore((bytes) => (damage === 'intact' ? bytes : DAMAGES[damage]?.(bytes, scene.chance)));
  await gateway.restart();
  // The first call comes as soon as the gateway says that it is ready.
  world.lookAgain();
  traffic.start(gateway.baseUrl);
  const wanted = damage === 'intact' ? generations.newestWeight : generations.previousWeight;
  await world.observer().until('it shows what was known', ({ endpoints, sources }) => {
    const isKnown = endpoints.length === living.backends.size && endpoints.every(({ state }) => state === 'absent');
    return isKnown && sources.every(({ state, error }) => state === 'stale' && error !== '');
  });
  const weight = world
    .observer()
    .latest()
    ?.endpoints.find(({ instanceId }) => instanceId === 'a')?.weight;
  if (weight === wanted) scene.bit(fault);
  else scene.wrong(`it knows a with the weight ${weight}, and not ${wanted}`);
  await traffic.more(30);
}
