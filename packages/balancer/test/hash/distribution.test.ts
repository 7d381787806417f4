import { describe, expect, it } from 'vitest';
import { backends, countsOf, excess, HASHING, keys, MAGLEV, ownersOf, pickerOf, RING, SEED } from './rig.ts';

describe.each(HASHING)('keys of $name', (spec) => {
  it.each([
    { name: 'equal weights', weightOf: (): number => 1 },
    { name: 'weights 1 to 4', weightOf: (index: number): number => 1 + (index % 4) },
  ])('are shared as its table says, with $name', ({ weightOf }) => {
    const members = backends(20, weightOf);
    const picker = pickerOf(spec, members);
    // The share of the table of each, by hashes at even distances; the low half matters to maglev only.
    const table = Array.from({ length: 262_144 }, (_, index) => {
      const hash = { hashHigh: (index * 16_384) >>> 0, hashLow: Math.imul(index, 0x9e3779b1) >>> 0 };
      return picker.pick({ ...hash, nowMs: 0, isOut: undefined })?.id ?? 'nobody';
    });
    const shares = countsOf(table, members).map((count) => count / table.length);
    const observed = countsOf(ownersOf(picker, keys(40_000)), members);
    const expected = shares.map((share) => share * 40_000);
    expect(excess(observed, expected), `seed ${SEED}`).toBeLessThan(6);
    // And the table follows the weights: the ring within what 50 entries per member can do.
    const total = members.reduce((sum, { weight }) => sum + weight, 0);
    const error = spec.name === 'ring-hash' ? 0.6 : spec.name === 'maglev' ? 0.02 : 0.12;
    for (const [index, { weight }] of members.entries()) {
      const ratio = ((shares[index] as number) * total) / weight;
      expect(Math.abs(ratio - 1), `${members[index]?.id}, seed ${SEED}`).toBeLessThan(error);
    }
  });
});

it('evens out with more entries on the ring', () => {
  const members = backends(50);
  const spread = [1_024, 200_000].map((minRingSize) => {
    const counts = countsOf(
      ownersOf(pickerOf({ ...RING, minRingSize } as typeof RING, members), keys(50_000)),
      members,
    );
    return Math.max(...counts) / Math.min(...counts);
  });
  const even = countsOf(ownersOf(pickerOf(MAGLEV, members), keys(50_000)), members);
  const evenSpread = Math.max(...even) / Math.min(...even);
  process.stdout.write(
    `most to least keys of 50 members: ring of 1,050 ${spread[0]?.toFixed(2)}, of 200,000 ${spread[1]?.toFixed(2)},` +
      ` maglev ${evenSpread.toFixed(2)} (seed ${SEED})\n`,
  );
  expect(spread[1]).toBeLessThan(spread[0] as number);
  expect(spread[1]).toBeLessThan(1.3);
  expect(evenSpread).toBeLessThan(1.3);
});
