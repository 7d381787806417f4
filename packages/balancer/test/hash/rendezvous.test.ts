import { hash64 } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { Scores } from '../../src/policies/rendezvous-scores.ts';
import { backend, backends, countsOf, excess, pickerOf, RENDEZVOUS, SEED, type Backend } from './rig.ts';

/** One hash in each slot. */
const SLOTS = Array.from({ length: 65_536 }, (_, slot) => ({
  hashHigh: (slot << 16) >>> 0,
  hashLow: slot,
  nowMs: 0,
  isOut: undefined,
}));

function winners(members: readonly Backend[]): (Backend | undefined)[] {
  const picker = pickerOf(RENDEZVOUS, members);
  return SLOTS.map((slot) => picker.pick(slot));
}

/** Owner and stand-in of every slot by id. */
const namesOf = (found: readonly (Backend | undefined)[]): string[] => found.map((member) => member?.id ?? 'nobody');

const sets = fc.uniqueArray(
  fc.tuple(fc.string({ minLength: 1, maxLength: 6 }), fc.double({ min: 0.1, max: 10, noNaN: true })),
  {
    minLength: 2,
    maxLength: 50,
    selector: ([id]) => id,
  },
);

it('moves exactly the keys of who leaves or comes, and no other', () => {
  fc.assert(
    fc.property(sets, fc.nat(), (set, which) => {
      const members = set.map(([id, weight]) => backend(id, weight));
      const gone = members[which % members.length] as Backend;
      const before = winners(members);
      const after = winners(members.filter((member) => member !== gone));
      expect(before.every((owner, slot) => owner === gone || owner === after[slot])).toBe(true);
    }),
    fuzzing(4),
  );
});

it('gives the keys of one that is out to whom they would go without it', () => {
  const members = backends(40, (index) => 1 + (index % 3));
  const gone = members[7] as Backend;
  const picker = pickerOf(RENDEZVOUS, members);
  const without = winners(members.filter((member) => member !== gone));
  const isOut = (member: unknown): boolean => member === gone;
  expect(SLOTS.every((slot, index) => picker.pick({ ...slot, isOut }) === without[index])).toBe(true);
});

it('has nobody else move when a table takes over from comparing all', () => {
  for (const count of [15, 16, 17]) {
    const before = winners(backends(count, (index) => 1 + (index % 5)));
    const [came, ...after] = winners(backends(count + 1, (index) => 1 + (index % 5))).map((owner) => owner?.id);
    const last = backends(count + 1).at(-1)?.id;
    expect([came, ...after].filter((id, slot) => id !== last && id !== before[slot]?.id)).toEqual([]);
  }
});

it('gives who is best among all that are not out, however many are', () => {
  const members = backends(200, (index) => 1 + (index % 3));
  const picker = pickerOf(RENDEZVOUS, members);
  for (const slot of SLOTS.filter(({ hashLow }) => hashLow % 9_001 === 0)) {
    const out = new Set<unknown>();
    for (let turn = 0; turn < 5; turn++) {
      const left = members.filter((member) => !out.has(member));
      const chosen = picker.pick({ ...slot, isOut: (member) => out.has(member) });
      expect(chosen).toBe(pickerOf(RENDEZVOUS, left).pick(slot));
      out.add(chosen);
    }
  }
});

it('follows the published formula', () => {
  const members = backends(30, (index) => 0.5 + (index % 7));
  const scores = new Scores(
    Uint32Array.from(members, ({ id }) => hash64(id).high),
    Uint32Array.from(members, ({ id }) => hash64(id).low),
    Float64Array.from(members, ({ weight }) => weight),
  );
  const owners = winners(members);
  for (let slot = 0; slot < SLOTS.length; slot += 7) {
    const all = members.map((_, index) => scores.scoreOf(index, slot));
    expect(owners[slot]).toBe(members[all.indexOf(Math.min(...all))]);
  }
  // A score is `-ln(u) / weight`, with each u once.
  for (const index of [0, 5]) {
    const weight = (members[index] as Backend).weight;
    const hashes = SLOTS.map((_, slot) => Math.exp(-scores.scoreOf(index, slot) * weight) * 65_536);
    expect(new Set(hashes.map(Math.floor)).size).toBe(65_536);
    expect(hashes.every((hash, slot) => scores.slotAt(index, 65_535 - Math.floor(hash)) === slot)).toBe(true);
  }
});

it('has members draw independently of each other', () => {
  // Who is second in the slots of one must be anybody else, by weight.
  const members = Array.from({ length: 16 }, (_, index) => backend(`${SEED}-${index}`, 1));
  const picker = pickerOf(RENDEZVOUS, members);
  const pairs = members.flatMap((first) => {
    const isOut = (member: unknown): boolean => member === first;
    const seconds = SLOTS.filter((slot) => picker.pick(slot) === first).map((slot) => picker.pick({ ...slot, isOut }));
    return countsOf(namesOf(seconds), members).filter((_, index) => members[index] !== first);
  });
  expect(pairs).toHaveLength(240);
  expect(
    excess(
      pairs,
      pairs.map(() => 65_536 / 240),
    ),
    `seed ${SEED}`,
  ).toBeLessThan(5);
});

it('only attracts keys to a member that becomes heavier', () => {
  fc.assert(
    fc.property(sets, fc.nat(), fc.double({ min: 1, max: 20, noNaN: true }), (set, which, factor) => {
      const chosen = (set[which % set.length] as [string, number])[0];
      const before = namesOf(winners(set.map(([id, weight]) => backend(id, weight))));
      const after = namesOf(winners(set.map(([id, weight]) => backend(id, id === chosen ? weight * factor : weight))));
      expect(after.every((owner, slot) => owner === chosen || owner === before[slot])).toBe(true);
    }),
    fuzzing(4),
  );
});

it('depends neither on the order of members nor on the unit of weights', () => {
  const members = backends(25, (index) => 1 + index);
  const before = namesOf(winners(members));
  expect(namesOf(winners(members.toReversed()))).toEqual(before);
  expect(namesOf(winners(members.map(({ id, weight }) => backend(id, weight * 1_024))))).toEqual(before);
});

it.each([
  { name: 'equal', weights: (): number => 1, count: 100 },
  { name: '1 to 5', weights: (index: number): number => 1 + (index % 5), count: 100 },
  { name: 'far apart', weights: (index: number): number => 4 ** (index % 4), count: 12 },
])('wins slots by weight, no less evenly than by independent draws ($name)', ({ weights, count }) => {
  // Other ids in each run, so that it is the method that is judged and not one lucky table.
  const members = Array.from({ length: count }, (_, index) => backend(`${SEED}-${index}`, weights(index)));
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const counts = countsOf(namesOf(winners(members)), members);
  const expected = members.map(({ weight }) => (65_536 * weight) / total);
  expect(excess(counts, expected), `seed ${SEED}`).toBeLessThan(5);
});

it('gives all to one, whatever its weight', () => {
  const [only] = backends(1, () => 0.001);
  expect(new Set(winners([only as Backend]))).toEqual(new Set([only]));
});

it('ends with one member a million times as heavy', () => {
  const members = backends(5, (index) => (index === 0 ? 65_535_000 : 0.1));
  const picker = pickerOf(RENDEZVOUS, members);
  expect(picker.pick(SLOTS[5] as (typeof SLOTS)[0])).toBe(members[0]);
  const light = members[3];
  expect(picker.pick({ hashHigh: 1, hashLow: 2, nowMs: 0, isOut: (member) => member !== light })).toBe(light);
});
