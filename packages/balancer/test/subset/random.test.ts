import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { subsetOf } from '../../src/subset/index.ts';

interface Backend {
  readonly id: string;
  readonly weight: number;
}

const backendOf = (id: string): Backend => ({ id, weight: 1 });
const backends = (count: number): Backend[] => Array.from({ length: count }, (_, index) => backendOf(`b-${index}`));
const chosen = (members: readonly Backend[], size: number, seed: number): Set<string> =>
  new Set(subsetOf(members, { kind: 'random', size, seed }).map(({ member }) => member.id));

it('takes all when there are few', () => {
  expect(chosen(backends(3), 5, 1)).toEqual(new Set(['b-0', 'b-1', 'b-2']));
  expect(chosen([], 5, 1)).toEqual(new Set());
});

it('takes the same from any order, in whole shares', () => {
  const shares = subsetOf(backends(50), { kind: 'random', size: 7, seed: 3 });
  expect(shares).toHaveLength(7);
  expect(shares.every(({ share }) => share === 1)).toBe(true);
  expect(chosen(backends(50).toReversed(), 7, 3)).toEqual(chosen(backends(50), 7, 3));
});

it('differs between processes, also where seeds are beyond 32 bits', () => {
  const subsets = [1, 2, 1 + 2 ** 32].map((seed) => [...chosen(backends(100), 10, seed)].join());
  expect(new Set(subsets).size).toBe(3);
});

it('changes at most one entry for one that comes or goes', () => {
  const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(ids, fc.nat(60), fc.integer({ min: 1, max: 30 }), fc.maxSafeNat(), (all, gone, size, seed) => {
      const before = chosen(all.map(backendOf), size, seed);
      const after = chosen(all.filter((_, index) => index !== gone % all.length).map(backendOf), size, seed);
      // Coming is the same read backwards.
      expect(before.difference(after).size).toBeLessThanOrEqual(1);
      expect(after.difference(before).size).toBeLessThanOrEqual(1);
    }),
    fuzzing(500),
  );
});

it('spreads connections over backends when there are many processes', () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= 2_000; seed++) {
    for (const id of chosen(backends(40), 8, seed)) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  // 400 expected, standard deviation 18: five of them either way.
  expect(Math.min(...counts.values())).toBeGreaterThan(310);
  expect(Math.max(...counts.values())).toBeLessThan(490);
});
