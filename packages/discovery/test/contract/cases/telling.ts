import type { Endpoint } from '@bascule/core';
import { expect } from 'vitest';
import type { EndpointUpdate } from '../../../src/registrar.ts';
import { createEndpoint, createFullEndpoint, DIGEST, SCHEMA } from '../endpoints.ts';
import type { Registered, Run, Scene } from '../scene.ts';

export const TELLING = {
  async 'an endpoint is seen as it was registered'(scene) {
    const [plain, full] = [createEndpoint(1), createFullEndpoint(20)];
    await scene.register(plain);
    await scene.register(full);
    const seen = await scene.follow();
    await scene.sees(seen, [plain, full]);
    expect([...seen.log].sort()).toEqual([`insert ${scene.keyOf(plain)}`, `insert ${scene.keyOf(full)}`].sort());
    await scene.until('connected', () => seen.source.status().state === 'connected');
    expect(seen.statuses.at(-1)).toEqual(seen.source.status());
    expect(seen.source.status().error).toBeUndefined();
    const schema = seen.schemas.get(DIGEST);
    if (schema !== undefined) expect(schema).toEqual(SCHEMA);
    expect([seen.broken, seen.warnings]).toEqual([[], []]);
  },

  async 'an update is seen'(scene) {
    const { updates = ['weight', 'labels', 'health'] } = scene.traits;
    const [a, b] = [createEndpoint(1, { labels: { tier: 'gold' } }), createEndpoint(2)];
    const seen = await scene.follow();
    const registered = await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    let now = a;
    const change = async (update: EndpointUpdate): Promise<void> => {
      await registered.update(update);
      now = { ...now, ...update };
    };
    if (updates.includes('weight')) await change({ weight: 9 });
    if (updates.includes('labels')) await change({ labels: { tier: 'silver', lane: 'left' } });
    await scene.sees(seen, [now, b]);
    if (updates.includes('health')) {
      await change({ health: 'draining' });
      await scene.sees(seen, [now, b]);
      await change({ health: 'failing' });
      await scene.sees(seen, [now, b]);
    }
    expect(seen.log.at(-1)).toBe(`update ${scene.keyOf(a)}`);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },

  async 'registering twice changes nothing'(scene) {
    const [a, marker] = [createEndpoint(1), createEndpoint(2)];
    const seen = await scene.follow();
    await scene.register(a);
    await scene.sees(seen, [a]);
    await scene.register(a);
    // What was registered last is seen, so what came before it has arrived.
    await scene.register(marker);
    await scene.sees(seen, [a, marker]);
    expect(seen.log.filter((line) => !line.startsWith('update '))).toEqual([
      `insert ${scene.keyOf(a)}`,
      `insert ${scene.keyOf(marker)}`,
    ]);
    expect(seen.broken).toEqual([]);
  },

  async 'an older incarnation does not win'(scene) {
    const [now, before, marker] = [
      createEndpoint(30, { incarnation: 5 }),
      createEndpoint(30, { incarnation: 4, port: 40_001 }),
      createEndpoint(2),
    ];
    const seen = await scene.follow();
    await scene.register(now);
    await scene.sees(seen, [now]);
    const late = await scene.begin(before);
    if (scene.scope.writer === undefined) await scene.until('an answer to the older', () => late.events.length > 0);
    await scene.register(marker);
    await scene.sees(seen, [now, marker]);
    await late.remove();
    await scene.register(createEndpoint(3));
    await scene.sees(seen, [now, marker, createEndpoint(3)]);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
    await scene.sees(await scene.follow(), [now, marker, createEndpoint(3)]);
  },

  async '1,000 instances come and go'(scene) {
    const endpoints = Array.from({ length: 1_000 }, (_, number) => createEndpoint(number));
    const seen = await scene.follow();
    const filled = await (scene.scope.fill?.(endpoints) ?? fillByRegistrars(scene, endpoints));
    await scene.until('all are seen', () => seen.told().length === endpoints.length);
    await scene.sees(seen, endpoints);
    // Who left is known without a second look while it is not most of them.
    const leaving = scene.traits.removal === 'inferred' ? endpoints.slice(0, 400) : endpoints;
    await filled.erase(leaving);
    await scene.sees(seen, endpoints.slice(leaving.length));
    await scene.until('who left is gone', () => seen.set.size === endpoints.length - leaving.length);
    expect(seen.broken).toEqual([]);
  },
} satisfies Record<string, Run>;

const AT_ONCE = 25;

async function fillByRegistrars(scene: Scene, endpoints: readonly Endpoint[]) {
  const registered = new Map<string, Registered>();
  await inParts(endpoints, async (endpoint) => {
    registered.set(endpoint.instanceId, await scene.register(endpoint));
  });
  const erase = (leaving: readonly Endpoint[]): Promise<void> =>
    inParts(leaving, async ({ instanceId }) => registered.get(instanceId)?.remove());
  return { erase };
}

async function inParts(all: readonly Endpoint[], act: (endpoint: Endpoint) => Promise<void>): Promise<void> {
  for (let from = 0; from < all.length; from += AT_ONCE) await Promise.all(all.slice(from, from + AT_ONCE).map(act));
}
