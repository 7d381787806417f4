import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createPolicy } from '../../src/policies/index.ts';
import { orcaWeight } from '../../src/policies/orca-weighted-round-robin.ts';
import { createPicker, idsOf, nodesOf, prepare, SEED, withoutChance, type Node } from './rig.ts';

const ORCA = {
  name: 'orca-weighted-round-robin',
  blackoutMs: 10_000,
  expirationMs: 180_000,
  updateMs: 1_000,
  errorPenalty: 1,
} as const;

const load = (utilization: number, qps: number, eps = 0) => ({ utilization, qps, eps, atMs: 60_000, firstMs: 0 });

describe('orcaWeight', () => {
  it.each<[string, Parameters<typeof orcaWeight>[0]['report'], number, number]>([
    ['qps / utilization', load(0.5, 100), 60_000, 200],
    ['errors as utilization: 100 / (0.5 + 10 / 100)', load(0.5, 100, 10), 60_000, 100 / 0.6],
    ['utilization above 1', load(2, 100), 60_000, 50],
    ['none without a report', undefined, 60_000, 0],
    ['none without utilization', load(0, 100), 60_000, 0],
    ['none without calls per second', load(0.5, 0), 60_000, 0],
    ['it just before it expires', load(0.5, 100), 239_999, 200],
    ['none once it has expired', load(0.5, 100), 240_000, 0],
    ['none within the blackout', { ...load(0.5, 100), firstMs: 50_001 }, 60_000, 0],
    ['it after the blackout', { ...load(0.5, 100), firstMs: 50_000 }, 60_000, 200],
  ])('is %s', (_, report, nowMs, expected) => {
    expect(orcaWeight({ report, readySinceMs: 0 }, ORCA, nowMs)).toBeCloseTo(expected, 9);
  });

  it('takes the penalty of its settings', () => {
    const spec = { ...ORCA, errorPenalty: 5 };
    expect(orcaWeight({ report: load(0.5, 100, 10), readySinceMs: 0 }, spec, 60_000)).toBe(100);
    expect(orcaWeight({ report: load(0.5, 100, 10), readySinceMs: 0 }, { ...ORCA, errorPenalty: 0 }, 60_000)).toBe(200);
  });

  it('waits anew when the connection is a new one', () => {
    expect(orcaWeight({ report: load(0.5, 100), readySinceMs: 55_000 }, ORCA, 60_000)).toBe(0);
    expect(orcaWeight({ report: load(0.5, 100), readySinceMs: 50_000 }, ORCA, 60_000)).toBe(200);
  });
});

describe('orca-weighted-round-robin', () => {
  function sharesOf(nodes: readonly Node[], picks = 30_000): number[] {
    const clock = createVirtualClock(SEED, 60_000);
    const counts = new Map(nodes.map(({ id }) => [id, 0]));
    for (const id of idsOf(createPicker(ORCA, nodes, clock), picks)) counts.set(id, (counts.get(id) ?? 0) + 1);
    return [...counts.values()].map((count) => count / picks);
  }

  it('shares by the weights that endpoints report, whatever is configured', () => {
    const nodes = nodesOf([1, 50, 1]);
    for (const [i, utilization] of [0.2, 0.4, 0.8].entries()) (nodes[i] as Node).report = load(utilization, 100);
    const shares = sharesOf(nodes);
    for (const [i, expected] of [4 / 7, 2 / 7, 1 / 7].entries()) expect(shares[i]).toBeCloseTo(expected, 2);
  });

  it('gives those without a weight the mean of the others', () => {
    const nodes = nodesOf([1, 1, 1]);
    (nodes[0] as Node).report = load(0.5, 100);
    (nodes[1] as Node).report = load(0.5, 300);
    const shares = sharesOf(nodes);
    for (const [i, expected] of [200 / 1_200, 600 / 1_200, 400 / 1_200].entries()) {
      expect(shares[i]).toBeCloseTo(expected, 2);
    }
  });

  it('takes turns with fewer than two weights', () => {
    const nodes = nodesOf([1, 1, 1]);
    (nodes[0] as Node).report = load(0.5, 100);
    const picker = createPicker(ORCA, nodes, { ...withoutChance(), nowMs: () => 60_000 });
    expect(idsOf(picker, 6).join('')).toBe('abcabc');
  });

  it('asks to be made anew at most ten times a second', () => {
    const clock = createVirtualClock(SEED);
    expect(createPolicy({ ...ORCA, updateMs: 10 }, clock).refreshMs).toBe(100);
    expect(createPolicy({ ...ORCA, updateMs: 2_000 }, clock).refreshMs).toBe(2_000);
  });
});

describe('dynamic-weight', () => {
  const DYNAMIC = { name: 'dynamic-weight', updateMs: 1_000, gain: 0.5 } as const;

  /** Shares after each of `steps` periods in which each endpoint is used by its share times what a call costs it. */
  function follow(weights: readonly number[], costs: readonly (number | undefined)[], steps: number): number[] {
    const clock = createVirtualClock(SEED);
    const policy = createPolicy(DYNAMIC, clock);
    const nodes = nodesOf(weights);
    let shares = weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));
    prepare(policy, nodes);
    for (let step = 0; step < steps; step++) {
      clock.advance(DYNAMIC.updateMs);
      for (const [i, cost] of costs.entries()) {
        if (cost === undefined) continue;
        const utilization = (shares[i] as number) * cost;
        (nodes[i] as Node).report = { utilization, qps: 0, eps: 0, atMs: clock.nowMs(), firstMs: 0 };
      }
      const picker = prepare(policy, nodes);
      const counts = new Map(nodes.map(({ id }) => [id, 0]));
      for (const id of idsOf(picker, 20_000)) counts.set(id, (counts.get(id) ?? 0) + 1);
      shares = [...counts.values()].map((count) => count / 20_000);
    }
    return shares;
  }

  // Utilization 1/2 and 3/2, mean 1: targets 2 and 2/3, half of the way 1.5 and 5/6, then scaled to a mean of 1.
  it('goes a part of the way in one step', () => {
    const [a, b] = follow([1, 1], [1, 3], 1) as [number, number];
    expect(a / b).toBeCloseTo(1.5 / (5 / 6), 2);
  });

  it('ends where all are loaded alike', () => {
    const [a, b, c] = follow([1, 1, 1], [1, 2, 4], 30) as [number, number, number];
    expect(a).toBeCloseTo(4 / 7, 1);
    expect(b).toBeCloseTo(2 / 7, 1);
    expect(c).toBeCloseTo(1 / 7, 1);
  });

  it('keeps within a tenth and ten times the configured weight', () => {
    const [a, b] = follow([1, 1], [0.001, 1_000], 60) as [number, number];
    expect(b / (a + b)).toBeGreaterThan(0.04);
  });

  it('leaves those without a report where they are configured', () => {
    const shares = follow([2, 1, 1], [undefined, undefined, undefined], 5);
    expect(shares).toEqual([0.5, 0.25, 0.25]);
  });

  it('takes no step for changes of the members in between', () => {
    const clock = createVirtualClock(SEED);
    const policy = createPolicy(DYNAMIC, clock);
    const nodes = nodesOf([1, 1]);
    prepare(policy, nodes);
    for (const [i, node] of nodes.entries()) {
      node.report = { utilization: 0.1 + i, qps: 0, eps: 0, atMs: 0, firstMs: 0 };
    }
    for (let i = 0; i < 20; i++) prepare(policy, nodes);
    expect(idsOf(prepare(policy, nodes), 4).toSorted().join('')).toBe('aabb');
    clock.advance(1_000);
    expect(idsOf(prepare(policy, nodes), 100).filter((id) => id === 'a').length).toBeGreaterThan(60);
  });
});
