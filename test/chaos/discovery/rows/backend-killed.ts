import { Code } from '@connectrpc/connect';
import type { Row } from '../row.ts';
import type { Call } from '../traffic.ts';
import { conclude } from '../verdict.ts';
import { untilShown } from '../truth.ts';
import { startWorld } from '../world.ts';
import { isStale, startRegistry, TTL_MS } from './common.ts';

const KILLED = 'a backend is killed while the registry is down';

export const BACKEND_KILLED: Row = {
  name: 'backend-killed',
  about: 'a backend is killed while the registry is down: it costs what it had under way, and is gone in the end',
  async run(scene) {
    const registry = await startRegistry(scene);
    const world = await startWorld(scene, { systems: [registry], ttlMs: TTL_MS, backends: 2 });
    const victim = await world.addProcess('victim');
    await untilShown(world, victim);
    await world.traffic.more(50);
    await registry.server.kill();
    await world.observer().until('the registry is missed', (view) => isStale(view, registry));
    await scene.pause(0, 1_500);
    scene.made(KILLED);
    world.living.backends.delete('victim');
    const killingMs = performance.now();
    await victim.kill();
    const killedMs = performance.now();
    await world.traffic.more(50);
    const isLate = world.traffic.calls.some(
      ({ startedMs, instanceId }) => startedMs > killedMs && instanceId === 'victim',
    );
    if (isLate) scene.wrong('a killed backend has answered');
    else scene.bit(KILLED);
    await scene.pause(0, 1_000);
    await registry.server.restart();
    // Of what was under way only a single call that may be repeated can be saved: a stream may have begun.
    const mayFail = ({ startedMs, endedMs, method, code }: Call): boolean => {
      return startedMs <= killedMs && endedMs >= killingMs && method !== 'get' && code === Code.Unavailable;
    };
    return conclude(scene, world, { removals: { 'absent-and-failing': 1 }, mayFail });
  },
};
