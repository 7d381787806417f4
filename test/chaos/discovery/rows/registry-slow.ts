import type { Row } from '../row.ts';
import { conclude } from '../verdict.ts';
import { startWorld } from '../world.ts';
import { relaysOf, startRegistry } from './common.ts';

const DELAY_MS = 500;
const SLOW = `the registry takes ${DELAY_MS} ms longer for every word, there and back`;
/** A renewal may take a third of it. */
const TTL_MS = 6_000;

export const REGISTRY_SLOW: Row = {
  name: 'registry-slow',
  about: `${DELAY_MS} ms later with every word, while backends come and go`,
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS, relayed: true });
    const [{ toGateway, toBackends }] = world.systems.map(relaysOf) as [ReturnType<typeof relaysOf>];
    scene.made(SLOW);
    for (const relay of [toGateway, toBackends]) relay.delay(DELAY_MS);
    const startMs = performance.now();
    await fetch(`http://${toGateway.address}/healthz`);
    if (performance.now() - startMs >= 2 * DELAY_MS) scene.bit(SLOW);
    await scene.pause(0, 1_000);
    await world.add('d');
    await scene.pause(0, 1_000);
    await world.retire('b');
    await scene.pause(TTL_MS / 2, TTL_MS);
    // Slow now and then is another thing than slow: what was late comes together with what is not.
    for (let i = 0; i < 4; i++) {
      for (const relay of [toGateway, toBackends]) relay.delay(scene.chance.chance(0.5) ? 0 : DELAY_MS);
      await scene.pause(100, 800);
    }
    for (const relay of [toGateway, toBackends]) relay.delay(0);
    return conclude(scene, world, { removals: { deregistered: 1 } });
  },
};
