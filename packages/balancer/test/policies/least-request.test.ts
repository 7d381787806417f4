import { createRandom, createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import type { PolicySpec } from '../../src/balancing-policy.ts';
import { createPolicy } from '../../src/policies/index.ts';
import { chiSquareOverBound } from './chi-square.ts';
import { createPicker, createRequest, idsOf, nodesOf, prepare, SEED, withoutChance, type Node } from './rig.ts';

const P2C = { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 } as const;

function countsOf(spec: PolicySpec, nodes: readonly Node[], picks: number): number[] {
  const counts = new Map<string, number>(nodes.map(({ id }) => [id, 0]));
  for (const id of idsOf(createPicker(spec, nodes), picks)) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts.values()];
}

describe('least-request with equal weights', () => {
  it('compares two different ones: of two members the less loaded always wins', () => {
    expect(countsOf(P2C, nodesOf([1, 1], [0, 1]), 1_000)).toEqual([1_000, 0]);
    expect(countsOf(P2C, nodesOf([1, 1], [9, 8]), 1_000)).toEqual([0, 1_000]);
  });

  // Of n, the one of rank r (0 is the least loaded) wins a pair of different ones in 2 (n - 1 - r) of n (n - 1) draws.
  it('shares by rank as two different ones of four do', () => {
    const counts = countsOf(P2C, nodesOf([1, 1, 1, 1], [9, 10, 8, 7]), 60_000);
    expect(counts[1]).toBe(0);
    const ofOthers = [counts[0], counts[2], counts[3]] as number[];
    expect(chiSquareOverBound(ofOthers, [1, 2, 3]), `SEED=${SEED}`).toBeLessThanOrEqual(1);
  });

  it.each([3, 5, 10])('compares %d different ones, and never takes one of the more loaded', (choiceCount) => {
    const loads = Array.from({ length: 12 }, (_, i) => i);
    const counts = countsOf(
      { ...P2C, choiceCount },
      nodesOf(
        loads.map(() => 1),
        loads,
      ),
      20_000,
    );
    // The one of rank r wins if none of those before it is drawn: only the first 12 - choiceCount + 1 ever can.
    expect(counts.slice(12 - choiceCount + 1).every((count) => count === 0)).toBe(true);
    expect(counts[0] as number, `SEED=${SEED}`).toBeGreaterThan(20_000 * (choiceCount / 12) * 0.95);
  });

  it.each([
    [1, 2],
    [11, 10],
  ])('takes a choice count of %d for %d', (choiceCount, meant) => {
    const nodes = (): Node[] =>
      nodesOf(
        Array.from({ length: 20 }, () => 1),
        Array.from({ length: 20 }, (_, i) => i),
      );
    expect(countsOf({ ...P2C, choiceCount }, nodes(), 2_000)).toEqual(
      countsOf({ ...P2C, choiceCount: meant }, nodes(), 2_000),
    );
  });

  it('looks at all where they are few enough, and lets chance decide between equals', () => {
    const spec = { ...P2C, fullScanUpTo: 5 };
    expect(countsOf(spec, nodesOf([1, 1, 1, 1, 1], [3, 2, 4, 2, 2]), 1_000).map((count) => count > 0)).toEqual([
      false,
      true,
      false,
      true,
      true,
    ]);
    const [, b, , d, e] = countsOf(spec, nodesOf([1, 1, 1, 1, 1], [3, 2, 4, 2, 2]), 30_000);
    expect(chiSquareOverBound([b, d, e] as number[], [1, 1, 1]), `SEED=${SEED}`).toBeLessThanOrEqual(1);
    // One more, and two are drawn: the second best wins at times.
    expect(countsOf(spec, nodesOf([1, 1, 1, 1, 1, 1], [0, 1, 9, 9, 9, 9]), 2_000)[1]).toBeGreaterThan(0);
  });

  it('counts messages of streams as load', () => {
    const nodes = nodesOf([1, 1], [1, 0]);
    (nodes[1] as Node).messages = 2.5;
    expect(countsOf(P2C, nodes, 100)).toEqual([100, 0]);
  });

  it('moves load away from one that is slow to give back', () => {
    expect(shareOfSlow([1, 1, 1]), `SEED=${SEED}`).toBeLessThan(0.1);
  });
});

describe('least-request with unequal weights', () => {
  // Due at first: a 1/4, b 1/2, c 1. Each pick is due again 1/weight later.
  it('takes whoever is due first', () => {
    const picker = createPicker(P2C, nodesOf([4, 2, 1]), withoutChance());
    const ids = idsOf(picker, 70).join('');
    expect(ids.slice(0, 2)).toBe('aa');
    for (const [id, count] of [
      ['a', 40],
      ['b', 20],
      ['c', 10],
    ] as const)
      expect(ids.split(id).length - 1).toBe(count);
  });

  it.each([
    [[4, 1], [4, 2], 1, [4 / 5, 1 / 3]],
    [[1, 3], [0, 1], 1, [1, 3 / 2]],
    [[3, 1], [9, 0], 1, [3 / 10, 1]],
    [[3, 1], [3, 0], 2, [3 / 16, 1]],
    [[3, 1], [8, 0], 0.5, [1, 1]],
    [[3, 1], [50, 0], 0, [3, 1]],
  ])('shares weights %j with loads %j by weight / (load + 1) ^ %d', (weights, loads, activeRequestBias, shares) => {
    const picks = 20_000;
    const counts = countsOf({ ...P2C, activeRequestBias }, nodesOf(weights, loads), picks);
    const total = shares.reduce((sum, share) => sum + share, 0);
    for (const [i, share] of shares.entries()) {
      expect(Math.abs((counts[i] as number) - (picks * share) / total)).toBeLessThanOrEqual(2);
    }
  });

  it('moves load away from one that is slow to give back', () => {
    expect(shareOfSlow([1, 1, 1.001]), `SEED=${SEED}`).toBeLessThan(0.2);
  });

  it('keeps the order of who waits over changes', () => {
    const random = createRandom(SEED);
    const policy = createPolicy(P2C, createVirtualClock(SEED));
    const nodes = nodesOf(Array.from({ length: 50 }, () => 1 + Math.floor(random() * 10)));
    const [guest] = nodesOf([5]) as [Node];
    const request = createRequest();
    const gaps = new Map<Node, number>();
    const last = new Map<Node, number>();
    for (let i = 0; i < 5_000; i++) {
      const node = prepare(policy, i % 2 === 0 ? nodes : [...nodes, guest]).pick(request) as Node;
      gaps.set(node, Math.max(gaps.get(node) ?? 0, i - (last.get(node) ?? 0)));
      last.set(node, i);
    }
    const total = nodes.reduce((sum, { weight }) => sum + weight, 5);
    for (const node of nodes) {
      expect(gaps.get(node), `${node.id}, SEED=${SEED}`).toBeLessThanOrEqual((2 * total) / node.weight + 5);
    }
  });
});

/** Share of calls to `a`, whose calls take fifty times as long as those to the others. */
function shareOfSlow(weights: readonly number[]): number {
  const nodes = nodesOf(weights);
  const picker = createPicker(P2C, nodes);
  const request = createRequest();
  const open: Node[] = [];
  let slow = 0;
  for (let i = 0; i < 3_000; i++) {
    const node = picker.pick(request) as Node;
    node.openCalls++;
    if (node.id === 'a') slow++;
    open.push(node);
    for (const done of open.splice(0).toReversed()) {
      if (done.id === 'a' && i % 50 !== 0) open.push(done);
      else done.openCalls--;
    }
  }
  return slow / 3_000;
}
