import { systemClock, sleep } from '@bascule/core';
import { expect } from 'vitest';
import { createEndpoint } from '../endpoints.ts';
import type { Run } from '../scene.ts';

/** Long enough that who hears nothing might have done something rash. */
const PAUSE_MS = 1_500;

export const SERVERS = {
  async 'a restarted server removes nothing'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const seen = await scene.follow();
    const registered = await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    await scene.server.restart();
    await scene.register(c);
    await scene.sees(seen, [a, b, c]);
    expect(seen.removals()).toEqual([]);
    await registered.remove();
    await scene.sees(seen, [b, c]);
    expect(seen.broken).toEqual([]);
  },

  async 'a server restarted empty removes nothing'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    // Short, since a registrar hears of the loss when it renews.
    const ttlMs = scene.traits.ttlMs ?? 2_000;
    const seen = await scene.follow();
    await scene.register(a, { ttlMs });
    await scene.register(b, { ttlMs });
    await scene.sees(seen, [a, b]);
    await scene.server.restart({ empty: true });
    if (scene.scope.writer !== undefined) {
      await scene.until('the loss is noticed', () => seen.doubted.size === 2);
      await scene.register(a);
      await scene.register(b);
    }
    await scene.register(c, { ttlMs });
    // Whoever registers itself comes back by itself.
    await scene.sees(seen, [a, b, c]);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },

  async 'a dead server removes nothing'(scene) {
    const [a, b] = [createEndpoint(1), createEndpoint(2)];
    const seen = await scene.follow();
    await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    await scene.server.kill();
    await scene.until('it is known to be away', () => seen.source.status().state === 'stale');
    expect(seen.source.status().error).toBeTruthy();
    const late = await scene.follow();
    await scene.until('who starts now is told why', () => late.source.status().error !== undefined);
    expect(late.set.size).toBe(0);
    expect([seen.endpoints().length, seen.removals(), seen.broken]).toEqual([2, [], []]);
  },

  async 'a paused server removes nothing'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const seen = await scene.follow();
    await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    scene.server.pause();
    await sleep(systemClock, PAUSE_MS);
    expect([seen.endpoints().length, seen.removals()]).toEqual([2, []]);
    scene.server.resume();
    await scene.register(c);
    await scene.sees(seen, [a, b, c]);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },
} satisfies Record<string, Run>;
