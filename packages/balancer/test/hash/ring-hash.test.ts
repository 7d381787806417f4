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
  { weights: [65_535, 1], min: 1, max: 8_388_608, counts: [65_535, 1] },
  // Nearly nothing has no entry of its own; two are the mean's ratio to what counts still.
  { weights: [1, 1e-9], min: 1, max: 8_388_608, counts: [131_072, 0] },
  { weights: [1, 0], min: 1, max: 8_388_608, counts: [131_072, 0] },
  { weights: [], min: 1_024, max: 4_096, counts: [] },
  // Cut by the maximum: 1.5 for each, so 2, 1, 2, 1.
  { weights: [1, 1, 1, 1], min: 6, max: 6, counts: [2, 1, 2, 1] },
  { weights: [1, 1, 1, 1, 1], min: 1, max: 2, counts: [1, 0, 1, 0, 0] },
])('has $counts entries for weights $weights, at least $min and at most $max', ({ weights, min, max, counts }) => {
  expect([...countEntries(Float64Array.from(weights), min, max)]).toEqual(counts);
});

it("has Envoy's entries for Envoy's endpoints", () => {
  // From the tests of its RingHashLoadBalancer, with at least 12 entries.
  const ring: (readonly [bigint, number])[] = [
    [833437586790550860n, 94],
    [928266305478181108n, 92],
    [1033482794131418490n, 90],
    [3551244743356806947n, 95],
    [3851675632748031481n, 93],
    [5583722120771150861n, 91],
    [6311230543546372928n, 91],
    [7700377290971790572n, 93],
    [13144177310400110813n, 95],
    [13444792449719432967n, 92],
    [15516499411664133160n, 94],
    [16117243373044804889n, 90],
  ];
  const members = [90, 91, 92, 93, 94, 95].map((port) => backend(`127.0.0.1:${port}`));
  const picker = pickerOf({ name: 'ring-hash', minRingSize: 12, maxRingSize: 8_388_608 }, members);
  const ownerOf = (hash: bigint): string | undefined =>
    picker.pick({ hashHigh: Number(hash >> 32n), hashLow: Number(hash & 0xffff_ffffn), nowMs: 0, isOut: undefined })
      ?.id;
  for (const [index, [hash, port]] of ring.entries()) {
    expect(ownerOf(hash)).toBe(`127.0.0.1:${port}`);
    expect(ownerOf(hash + 1n)).toBe(`127.0.0.1:${ring[(index + 1) % ring.length]?.[1]}`);
  }
  expect(ownerOf(0n)).toBe('127.0.0.1:94');
  expect(ownerOf(0xffff_ffff_ffff_ffffn)).toBe('127.0.0.1:94');
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
