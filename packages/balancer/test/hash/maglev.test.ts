import { hash64 } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { primeFrom } from '../../src/policies/prime.ts';
import { backend, backends, countsOf, MAGLEV, pickerOf, type Backend } from './rig.ts';

const wide = (text: string, seed: number): bigint => {
  const { high, low } = hash64(text, seed);
  return (BigInt(high) << 32n) | BigInt(low);
};

/** The table filled round by round, as published, with Envoy's weights. */
function naiveTable(members: readonly Backend[], size: number): Backend[] {
  const heaviest = Math.max(...members.map(({ weight }) => weight));
  const entries = members
    .map((member) => ({
      member,
      offset: Number(wide(member.id, 0) % BigInt(size)),
      skip: Number(wide(member.id, 1) % BigInt(size - 1)) + 1,
      next: 0,
      target: 0,
    }))
    .sort((a, b) => (a.member.id < b.member.id ? -1 : 1));
  const table: (Backend | undefined)[] = Array.from({ length: size });
  let filled = 0;
  for (let round = 1; filled < size; round++) {
    for (const entry of entries) {
      if (filled === size) break;
      if (round * entry.member.weight < entry.target) continue;
      entry.target += heaviest;
      let place = (entry.offset + entry.next * entry.skip) % size;
      while (table[place] !== undefined) {
        entry.next++;
        place = (entry.offset + entry.next * entry.skip) % size;
      }
      table[place] = entry.member;
      entry.next++;
      filled++;
    }
  }
  return table as Backend[];
}

/** Reads a table by hashes that fall on each of its places. */
function tableOf(members: readonly Backend[], size: number): (Backend | undefined)[] {
  const picker = pickerOf({ name: 'maglev', tableSize: size }, members);
  return Array.from({ length: size }, (_, place) =>
    picker.pick({ hashHigh: 0, hashLow: place, nowMs: 0, isOut: undefined }),
  );
}

it.each([
  [0, 3],
  [4, 5],
  [7, 7],
  [9, 11],
  [65_536, 65_537],
  [655_360, 655_373],
])('takes %i entries as the prime %i', (atLeast, prime) => {
  expect(primeFrom(atLeast)).toBe(prime);
});

// From the tests of Envoy's MaglevLoadBalancer; entries are last digits of ports.
it.each([
  { ports: [95, 94, 93, 92, 91, 90], weights: [1, 1, 1, 1, 1, 1], table: '2401503' },
  { ports: [90, 91, 92, 93, 94, 95], weights: [127, 127, 127, 127, 127, 127], table: '2401503' },
  { ports: [91, 90], weights: [1, 1], table: '10010110010100101' },
  { ports: [90, 91], weights: [1, 2], table: '10010110111110101' },
  { ports: [90, 91], weights: [8, 2], table: '10000010010100000' },
])('fills a table for $ports of weights $weights as Envoy does', ({ ports, weights, table }) => {
  const members = ports.map((port, index) => backend(`127.0.0.1:${port}`, weights[index] as number));
  const entries = tableOf(members, table.length).map((member) => member?.id.at(-1));
  expect(entries.join('')).toBe(table);
});

it('gives all but one entry each to a member that outweighs a thousand others', () => {
  const members = backends(1_024, (index) => (index === 0 ? 127 * 1_023 : 1));
  const owners = tableOf(members, 65_537).map((member) => member?.id ?? 'nobody');
  expect(countsOf(owners, members)).toEqual([65_537 - 1_023, ...Array.from({ length: 1_023 }, () => 1)]);
});

it('fills the table as the rounds one by one do', () => {
  const sets = fc.uniqueArray(fc.tuple(fc.string({ maxLength: 6 }), fc.integer({ min: 1, max: 50 })), {
    minLength: 1,
    maxLength: 20,
    selector: ([id]) => id,
  });
  fc.assert(
    fc.property(sets, fc.constantFrom(3, 5, 13, 101, 997), (set, size) => {
      const members = set.map(([id, weight]) => backend(id, weight));
      expect(tableOf(members, size).map((member) => member?.id)).toEqual(naiveTable(members, size).map(({ id }) => id));
    }),
    fuzzing(200),
  );
});

it('takes the whole hash modulo the size', () => {
  const members = backends(30);
  const picker = pickerOf(MAGLEV, members);
  const table = tableOf(members, 65_537);
  const words = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(words, words, (high, low) => {
      const place = Number(((BigInt(high) << 32n) | BigInt(low)) % 65_537n);
      expect(picker.pick({ hashHigh: high, hashLow: low, nowMs: 0, isOut: undefined })).toBe(table[place]);
    }),
    fuzzing(500),
  );
});

it.each([3, 10, 100, 1_000, 10_000])('is even to one entry for %i members', (count) => {
  const members = backends(count);
  const counts = countsOf(
    tableOf(members, 65_537).map((member) => member?.id ?? 'nobody'),
    members,
  );
  expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
});

it('gives entries by weight, also with one heavy member among thousands', () => {
  const members = backends(3_000, (index) => (index === 0 ? 65_535 : 1 + (index % 4)));
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const counts = countsOf(
    tableOf(members, 65_537).map((member) => member?.id ?? 'nobody'),
    members,
  );
  for (const [index, { weight }] of members.entries()) {
    // One entry in the first round for all, so the lightest have up to one too many.
    const due = (65_537 * weight) / total;
    expect(counts[index]).toBeGreaterThan(due * 0.94 - 1);
    expect(counts[index]).toBeLessThan(due + 1.5);
  }
});

it('serves more members than places', () => {
  const members = backends(20);
  const picker = pickerOf({ name: 'maglev', tableSize: 5 }, members);
  for (const member of members) {
    const isOut = (other: unknown): boolean => other !== member;
    expect(picker.pick({ hashHigh: 1, hashLow: 2, nowMs: 0, isOut })).toBe(member);
  }
});
