import type { Endpoint } from '@bascule/core';
import { expect } from 'vitest';
import { createEndpoint } from '../endpoints.ts';
import type { Recorded } from '../recorder.ts';
import type { Run, Scene } from '../scene.ts';

const DEFAULT_TTL_MS = 3_000;

/** Whoever's lease has run out is removed; or doubted, or told as failing, where the system does not tell more. */
async function expires(scene: Scene, seen: Recorded, expired: Endpoint, others: readonly Endpoint[]): Promise<void> {
  const { expiredAs = 'lease-expired' } = scene.traits;
  const key = scene.keyOf(expired);
  if (expiredAs === 'failing') return scene.sees(seen, [{ ...expired, health: 'failing' }, ...others]);
  if (expiredAs === 'doubt') {
    await scene.until(`${key} is doubted`, () => seen.doubted.has(key));
  } else {
    await scene.until(`${key} is gone`, () => !seen.set.has(key));
    expect(seen.removals()).toEqual([`remove ${key} ${expiredAs}`]);
  }
  await scene.sees(seen, others);
}

export const LEASES = {
  async 'whoever stops renewing goes'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const { ttlMs = DEFAULT_TTL_MS } = scene.traits;
    const seen = await scene.follow();
    const relay = await scene.relay();
    await scene.register(a, { access: scene.scope.access(relay.port), ttlMs });
    await scene.register(b, { ttlMs });
    await scene.register(c, { ttlMs });
    await scene.sees(seen, [a, b, c]);
    await relay.cut();
    await expires(scene, seen, a, [b, c]);
    await relay.restore();
    await scene.sees(seen, [a, b, c]);
    expect(seen.broken).toEqual([]);
  },

  async 'whoever is killed goes'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const { ttlMs = DEFAULT_TTL_MS } = scene.traits;
    const seen = await scene.follow();
    const child = await scene.spawnRegistering(a, ttlMs);
    await scene.register(b, { ttlMs });
    await scene.register(c, { ttlMs });
    await scene.sees(seen, [a, b, c]);
    await child.kill();
    await expires(scene, seen, a, [b, c]);
    expect(seen.broken).toEqual([]);
  },

  async 'whoever deregisters goes at once'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const { deregisteredAs = 'deregistered' } = scene.traits;
    const seen = await scene.follow();
    const registered = await scene.register(a);
    await scene.register(b);
    await scene.register(c);
    await scene.sees(seen, [a, b, c]);
    // The lease would last far longer than anybody waits here.
    await registered.remove();
    await scene.until('it is gone', () => !seen.set.has(scene.keyOf(a)));
    expect(seen.removals()).toEqual([`remove ${scene.keyOf(a)} ${deregisteredAs}`]);
    await scene.sees(seen, [b, c]);
    expect(seen.broken).toEqual([]);
  },

  async 'the last one may go as well'(scene) {
    const a = createEndpoint(1);
    const seen = await scene.follow();
    const registered = await scene.register(a);
    await scene.sees(seen, [a]);
    await registered.remove();
    await scene.until('it is gone', () => seen.set.size === 0);
    await scene.register(a);
    await scene.sees(seen, [a]);
    expect(seen.broken).toEqual([]);
  },
} satisfies Record<string, Run>;
