import { expect } from 'vitest';
import { createCountingClock } from '../counting-clock.ts';
import { createEndpoint } from '../endpoints.ts';
import type { Run } from '../scene.ts';

export const NETWORK = {
  async 'a cut connection is caught up'(scene) {
    const [a, b, c, d] = [createEndpoint(1), createEndpoint(2), createEndpoint(3), createEndpoint(4)];
    const relay = await scene.relay();
    const seen = await scene.follow({ access: scene.scope.access(relay.port) });
    await scene.register(a);
    await scene.register(b);
    const leaving = await scene.register(c);
    await scene.sees(seen, [a, b, c]);
    await relay.cut();
    await scene.until('the cut is noticed', () => seen.source.status().state === 'stale');
    await leaving.remove();
    await scene.register(d);
    expect([seen.endpoints().length, seen.removals()]).toEqual([3, []]);
    await relay.restore();
    await scene.sees(seen, [a, b, d]);
    await scene.until('connected', () => seen.source.status().state === 'connected');
    await scene.until('who left is gone', () => !seen.set.has(scene.keyOf(c)));
    expect(seen.removals()).toHaveLength(1);
    expect(seen.broken).toEqual([]);
  },

  async 'a stalled connection is noticed'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const clock = createCountingClock(scene.traits.stallSpeed ?? 10);
    const relay = await scene.relay();
    const seen = await scene.follow({ access: scene.scope.access(relay.port), clock });
    await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    relay.stall();
    await scene.until('the silence is noticed', () => seen.source.status().state === 'stale');
    expect(seen.source.status().error).toBeTruthy();
    await scene.register(c);
    expect([seen.endpoints().length, seen.removals()]).toEqual([2, []]);
    relay.unstall();
    await scene.sees(seen, [a, b, c]);
    await scene.until('connected', () => seen.source.status().state === 'connected');
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },

  async 'nothing is left behind'(scene) {
    const a = createEndpoint(1);
    const clock = createCountingClock();
    const before = resources();
    const relay = scene.scope.access(0).url === scene.scope.access(1).url ? undefined : await scene.relay();
    const way = relay === undefined ? {} : { access: scene.scope.access(relay.port) };
    const registered = await scene.register(a, way);
    const seen = await scene.follow({ ...way, clock });
    await scene.sees(seen, [a]);
    await seen.source.close();
    const [lines, statuses] = [seen.log.length, seen.statuses.length];
    expect(clock.pending()).toBe(0);
    await registered.remove();
    await relay?.cut();
    // Connections of the case before may have been closing when it was looked first.
    await expect.poll(() => resources().length, { timeout: scene.patienceMs }).toBeLessThanOrEqual(before.length);
    // A closed source says nothing more, and takes nobody with it.
    expect([seen.log.length, seen.statuses.length, seen.endpoints().length]).toEqual([lines, statuses, 1]);
    await (await scene.follow(way)).source.close();
    expect(seen.broken).toEqual([]);
  },
} satisfies Record<string, Run>;

/** What a driver could leave open. What is of the test runner's own (pipes, timers) is not among it. */
const OF_DRIVERS = /TCP|UDP|TLS|FSEvent|StatWatcher/i;

function resources(): string[] {
  return process
    .getActiveResourcesInfo()
    .filter((name) => OF_DRIVERS.test(name))
    .sort();
}
