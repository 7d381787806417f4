import { createRandom, createVirtualClock, OK_OUTCOME, type Clock } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing, type BalancingPolicy, type PolicySpec } from '../../src/index.ts';
import { createLinks, endpointOf, headOf, keyOf } from '../rig.ts';

const { seed: SEED } = fuzzing(1);

/** A virtual clock on which looking at the time takes some of it, so that plans are made in many slices. */
function createBusyClock(costMs: number) {
  const virtual = createVirtualClock(SEED);
  let offsetMs = 0;
  let timers = 0;
  const clock: Clock = {
    ...virtual,
    nowMs: () => virtual.nowMs() + (offsetMs += costMs),
    after(delayMs, fn) {
      timers++;
      return virtual.after(delayMs, fn);
    },
  };
  return { ...virtual, clock, timers: () => timers };
}

function setUp(count: number, overrides: Partial<BalancingPolicy> = {}, costMs = 0.4) {
  const links = createLinks();
  const busy = createBusyClock(costMs);
  const balancer = createBalancer({
    balancing: resolveBalancing(overrides),
    clock: busy.clock,
    connect: links.connect,
  });
  balancer.apply(Array.from({ length: count }, (_, i) => ({ type: 'insert', endpoint: endpointOf(`e${i}`) })));
  return { balancer, busy, links: links.all };
}

const SPECS: readonly PolicySpec[] = [
  { name: 'round-robin', weighted: true },
  { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 },
  { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 },
  { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 65_536 },
  { name: 'maglev', tableSize: 65_537 },
];

describe('plans of 10,000 endpoints', () => {
  it.each(SPECS)('give nobody who has left and never nobody: $name', async (policy) => {
    const random = createRandom(SEED);
    const { balancer, busy, links } = setUp(10_000, { policy });
    const gone = new Set<string>();
    const down = new Set<string>();
    let next = 10_000;
    for (let step = 0; step < 2_000; step++) {
      const said = `step ${step}, FUZZ_SEED=${SEED}`;
      if (step % 5 === 0) {
        const id = `e${Math.floor(random() * next)}`;
        const choice = random();
        if (choice < 0.4) {
          balancer.apply([{ type: 'remove', key: keyOf(id), cause: 'retired' }]);
          gone.add(id);
        } else if (choice < 0.7) {
          balancer.apply([{ type: 'insert', endpoint: endpointOf(`e${next++}`) }]);
        } else {
          const link = links[Number(id.slice(1))];
          link?.setReady(down.has(id));
          if (!down.delete(id)) down.add(id);
        }
      }
      const lease = balancer.pick(headOf());
      const id = lease?.endpoint.instanceId ?? 'nobody';
      if (id === 'nobody' || gone.has(id) || down.has(id)) throw new Error(`${said} gave ${id}`);
      lease?.release(OK_OUTCOME);
      if (step % 3 === 0) busy.advance(1);
    }
    balancer.destroy();
    expect(busy.pending()).toBe(0);
  });

  it('are made between calls, in slices, and the newcomers are in them then', () => {
    const { balancer, busy } = setUp(10_000, { policy: { name: 'round-robin', weighted: true } });
    balancer.pick(headOf())?.release(OK_OUTCOME);
    balancer.apply([{ type: 'insert', endpoint: endpointOf('new', { priority: -1 }) }]);
    expect(busy.pending()).toBe(0);
    // It would be given at once, were its plan made inside the pick.
    const before = balancer.pick(headOf())?.endpoint.instanceId;
    expect([before === 'new', busy.pending()]).toEqual([false, 1]);
    const timers = busy.timers();
    busy.advance(1);
    expect([busy.timers() - timers > 1, busy.pending()]).toEqual([true, 0]);
    expect(balancer.pick(headOf())?.endpoint.instanceId).toBe('new');
  });

  it('are made at once for a call that has nobody else', () => {
    const { balancer } = setUp(300);
    balancer.pick(headOf())?.release(OK_OUTCOME);
    balancer.apply(Array.from({ length: 300 }, (_, i) => ({ type: 'remove', key: keyOf(`e${i}`), cause: 'retired' })));
    balancer.apply(Array.from({ length: 300 }, (_, i) => ({ type: 'insert', endpoint: endpointOf(`n${i}`) })));
    expect(balancer.pick(headOf())?.endpoint.instanceId).toMatch(/^n/);
  });

  it('leave calls most of the time while changes go on', () => {
    // Each look at the clock costs 1 ms: a slice is then one step, and resting is four times as long as building.
    const { balancer, busy } = setUp(1_000, { policy: { name: 'round-robin', weighted: true } }, 1);
    balancer.pick(headOf())?.release(OK_OUTCOME);
    let fired = 0;
    for (let ms = 0; ms < 400; ms++) {
      balancer.apply([{ type: 'update', endpoint: endpointOf('e1', { weight: 1 + (ms % 2) }) }]);
      balancer.pick(headOf())?.release(OK_OUTCOME);
      const before = busy.clock.nowMs();
      busy.advance(1);
      // What was built in this millisecond looked at the clock.
      if (busy.clock.nowMs() - before > 2.5) fired++;
    }
    expect(fired).toBeGreaterThan(10);
    expect(fired).toBeLessThan(200);
  });
});

describe('plans that age', () => {
  it('let weights of newcomers grow, and need no timer before, after, or without calls', () => {
    const slowStart = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };
    const policy = { name: 'random', weighted: true } as const;
    const { balancer, busy } = setUp(1, { slowStart, policy }, 0);
    busy.advance(20_000);
    balancer.pick(headOf())?.release(OK_OUTCOME);
    expect(busy.pending()).toBe(0);
    balancer.apply([{ type: 'insert', endpoint: endpointOf('new') }]);
    const weights: number[] = [];
    for (let second = 0; second <= 10; second++) {
      balancer.pick(headOf())?.release(OK_OUTCOME);
      weights.push(Math.round((balancer.members()[1]?.weight ?? 0) * 100) / 100);
      busy.advance(1_000);
    }
    expect(weights).toEqual([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]);
    expect(busy.pending()).toBe(0);
  });

  it('do not slow-start where keys are hashed', () => {
    const slowStart = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };
    const { balancer, busy } = setUp(2, { slowStart, policy: { name: 'maglev', tableSize: 251 } }, 0);
    balancer.pick(headOf())?.release(OK_OUTCOME);
    expect([balancer.members().map(({ weight }) => weight), busy.pending()]).toEqual([[1, 1], 0]);
  });

  it('start anew when somebody becomes able to take calls again', () => {
    const slowStart = { windowMs: 10_000, aggression: 1, minWeightPercent: 10 };
    const { balancer, busy, links } = setUp(2, { slowStart, policy: { name: 'random', weighted: true } }, 0);
    busy.advance(20_000);
    links[1]?.setReady(false);
    links[1]?.setReady(true);
    balancer.pick(headOf())?.release(OK_OUTCOME);
    expect(balancer.members().map(({ weight }) => weight)).toEqual([1, 0.1]);
  });
});
