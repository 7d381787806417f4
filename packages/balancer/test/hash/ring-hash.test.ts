import { hash64 } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { countEntries } from '../../src/policies/ring-size.ts';
import { backend, backends, build, keys, pickerOf, policyOf, requestOf, type Backend } from './rig.ts';

const wide = (text: string): bigint => {
  const { high, low } = hash64(text);
  return (BigInt(high) << 32n) | BigInt(low);
};

/** Entries as Envoy counts them, sorted, with whole numbers of 64 bits. */
function naiveRing(members: readonly Backend[], min: number, max: number): { hash: bigint; member: Backend }[] {
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const least = Math.min(...members.map(({ weight }) => weight));
  const scale = Math.min((Math.ceil((least * min) / total) * total) / least, max);
  const ring: { hash: bigint; member: Backend }[] = [];
  let target = 0;
  for (const member of members) {
    target += (scale * member.weight) / total;
    for (let index = 0; ring.length < target - 1e-6; index++)
      ring.push({ hash: wide(`${member.id}_${index}`), member });
  }
  return ring.sort((a, b) => (a.hash < b.hash ? -1 : 1));
}

it.each([
  // Whole counts: the smallest ring of at least the minimum.
  { weights: [1, 1, 1, 1], min: 6, max: 100, counts: [2, 2, 2, 2] },
  { weights: [1, 1, 1], min: 1_024, max: 4_096, counts: [342, 342, 342] },
  { weights: [1, 2, 4], min: 10, max: 100, counts: [2, 4, 8] },
  { weights: [0.5, 1, 2], min: 10, max: 100, counts: [2, 4, 8] },
  // The heavier one has 5 / 3 of an entry, which is 2.
  { weights: [3, 5], min: 1, max: 100, counts: [1, 2] },
  // 102 each, though 0.1 * 1,020 is a hair above 102.
  {
    weights: Array.from({ length: 10 }, () => 1),
    min: 1_020,
    max: 4_096,
    counts: Array.from({ length: 10 }, () => 102),
  },
  // Cut by the maximum: 1.5 for each, so 2, 1, 2, 1.
  { weights: [1, 1, 1, 1], min: 6, max: 6, counts: [2, 1, 2, 1] },
  { weights: [1, 1, 1, 1, 1], min: 1, max: 2, counts: [1, 0, 1, 0, 0] },
])('has $counts entries for weights $weights, at least $min and at most $max', ({ weights, min, max, counts }) => {
  expect([...countEntries(Float64Array.from(weights), min, max)]).toEqual(counts);
});

it('gives a key to the first entry that is not below, or the next that is not out', () => {
  const sets = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 6 }), fc.integer({ min: 1, max: 9 })), {
    minLength: 1,
    maxLength: 12,
    selector: ([id]) => id,
  });
  fc.assert(
    fc.property(
      sets,
      fc.integer({ min: 1, max: 300 }),
      fc.nat(5),
      fc.integer({ min: 4, max: 400 }),
      (set, min, out, max) => {
        const members = set.map(([id, weight]) => backend(id, weight));
        const ring = naiveRing(members, min, max);
        const picker = pickerOf({ name: 'ring-hash', minRingSize: min, maxRingSize: max }, members);
        const gone = members.slice(0, Math.min(out, members.length - 1));
        for (const key of keys(30)) {
          const usable = ring.filter(({ member }) => !gone.includes(member));
          const expected = usable.find(({ hash }) => hash >= wide(key)) ?? usable[0];
          const chosen = picker.pick(requestOf(key, ...gone));
          // Whoever has an entry left is found on the ring; without any, it is anybody who is not out.
          if (expected === undefined) expect(gone).not.toContain(chosen);
          else expect(chosen).toBe(expected.member);
        }
      },
    ),
    fuzzing(150),
  );
});

it('finds who has no entry when all others are out', () => {
  const members = backends(50);
  const picker = pickerOf({ name: 'ring-hash', minRingSize: 1, maxRingSize: 10 }, members);
  for (const member of members) {
    const others = members.filter((other) => other !== member);
    expect(picker.pick(requestOf('key', ...others))).toBe(member);
  }
  expect(picker.pick(requestOf('key', ...members))).toBeUndefined();
});

it('hashes more entries of a known member when the ring grows, and the same ones', () => {
  const policy = policyOf({ name: 'ring-hash', minRingSize: 1_000, maxRingSize: 10_000 });
  const members = backends(20);
  build(policy, members);
  const grown = build(policy, members.slice(0, 3));
  const fresh = pickerOf({ name: 'ring-hash', minRingSize: 1_000, maxRingSize: 10_000 }, members.slice(0, 3));
  for (const key of keys(500)) expect(grown.pick(requestOf(key))).toBe(fresh.pick(requestOf(key)));
});
