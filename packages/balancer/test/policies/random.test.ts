import { createRandom, createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { AliasTable } from '../../src/policies/alias-table.ts';
import { Chance } from '../../src/policies/chance.ts';
import { indexAt } from '../../src/policy.ts';
import { chiSquareOverBound } from './chi-square.ts';
import { createPicker, createRequest, nodesOf, SEED, type Node } from './rig.ts';

describe('AliasTable', () => {
  it('draws by weight, whatever the weights', () => {
    const random = createRandom(SEED);
    const chance = new Chance(createVirtualClock(SEED));
    for (let run = 0; run < 20; run++) {
      const weights = Float64Array.from({ length: 2 + Math.floor(random() * 60) }, () => 0.2 + random() ** 4 * 50);
      const table = new AliasTable(weights);
      const counts = Array.from(weights, () => 0);
      for (let i = 0; i < 100_000; i++) {
        const index = table.draw(chance);
        counts[index] = (counts[index] as number) + 1;
      }
      expect(chiSquareOverBound(counts, [...weights]), `run ${run}, SEED=${SEED}`).toBeLessThanOrEqual(1);
    }
  });
});

describe('Chance', () => {
  it('gives each number below a bound as often, and another sequence by another clock', () => {
    const chance = new Chance(createVirtualClock(SEED));
    const counts = Array.from({ length: 100 }, () => 0);
    for (let i = 0; i < 200_000; i++) {
      const number = chance.below(100);
      counts[number] = (counts[number] as number) + 1;
    }
    expect(
      chiSquareOverBound(
        counts,
        counts.map(() => 1),
      ),
      `SEED=${SEED}`,
    ).toBeLessThanOrEqual(1);
    const first = (seed: number): number[] => {
      const own = new Chance(createVirtualClock(seed));
      return Array.from({ length: 5 }, () => own.bits());
    };
    expect(first(SEED)).toEqual(first(SEED));
    expect(first(SEED)).not.toEqual(first(SEED + 1));
  });

  // xoshiro128** from the state 1, 2, 3, 4, worked by hand: 2 * 5 = 10, rotated by 7 is 1,280, times 9 is 11,520; after
  // that b is 1 ^ 2 ^ 3 = 0.
  it('is xoshiro128**', () => {
    const sown = [1, 2, 3, 4];
    const chance = new Chance({ ...createVirtualClock(), random: () => (sown.shift() as number) / 0x1_0000_0000 });
    const stock = Array.from({ length: 64 }, () => chance.bits() >>> 0);
    expect(stock.toReversed().slice(0, 2)).toEqual([11_520, 0]);
  });
});

describe('random', () => {
  it('draws again for who is out, so that nobody gets the calls of its neighbour', () => {
    const nodes = nodesOf([1, 1, 1, 1, 1]);
    const picker = createPicker({ name: 'random', weighted: false }, nodes);
    const request = createRequest();
    request.isOut = (node) => node === nodes[1];
    const counts = new Map<Node | undefined, number>(nodes.map((node) => [node, 0]));
    for (let i = 0; i < 40_000; i++) {
      const node = picker.pick(request);
      counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    const [a, b, ...others] = [...counts.values()] as [number, number, number, number, number];
    expect(b).toBe(0);
    expect(chiSquareOverBound([a, ...others], [1, 1, 1, 1]), `SEED=${SEED}`).toBeLessThanOrEqual(1);
  });
});

describe('indexAt', () => {
  it.each([
    [0, 0],
    [0.99, 0],
    [1, 1],
    [2.5, 1],
    [3, 2],
    [99, 2],
  ])('finds the share that holds %d', (point, index) => {
    expect(indexAt([1, 3, 4], point)).toBe(index);
  });
});
