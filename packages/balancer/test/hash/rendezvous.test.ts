import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { backend, backends, countsOf, excess, pickerOf, RENDEZVOUS, SEED, type Backend } from './rig.ts';

/** One hash in every fourth slot. */
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
    maxLength: 12,
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
])('wins slots by weight as independent draws do ($name)', ({ weights, count }) => {
  // Other ids in each run, so that it is the method that is judged and not one lucky table.
  const members = Array.from({ length: count }, (_, index) => backend(`${SEED}-${index}`, weights(index)));
  const total = members.reduce((sum, { weight }) => sum + weight, 0);
  const counts = countsOf(namesOf(winners(members)), members);
  const expected = members.map(({ weight }) => (65_536 * weight) / total);
  expect(excess(counts, expected), `seed ${SEED}`).toBeLessThan(5);
  // Nor too good to be of chance.
  expect(excess(counts, expected), `seed ${SEED}`).toBeGreaterThan(-4);
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
