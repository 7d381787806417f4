import { createRandom } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { MAX_STRIDE_WEIGHT, Stride, toStrideWeights } from '../../src/policies/stride.ts';
import { SEED } from './rig.ts';

/** The published formula, in whole numbers of any size. */
function published(weights: readonly number[], sequence: number, count: number): number[] {
  const picks: number[] = [];
  for (let seq = BigInt(sequence); picks.length < count; seq++) {
    const i = seq % BigInt(weights.length);
    const round = seq / BigInt(weights.length);
    const weight = BigInt(weights[Number(i)] as number);
    if ((weight * round + i * 32_767n) % 65_535n >= 65_535n - weight) picks.push(Number(i));
  }
  return picks;
}

const take = (stride: Stride, count: number): number[] => Array.from({ length: count }, () => stride.next());

describe('Stride', () => {
  // weight 65,535: never passed over. 32,768 in place 1: offset 32,767, so 32,767 + 32,768 * round, modulo 65,535:
  // 32,767 >= 32,767 in round 0, then 0, 32,768, 1, 32,769 ...: every other round.
  it('passes over by hand', () => {
    expect(take(new Stride(Uint16Array.of(65_535, 32_768), 0), 9)).toEqual([0, 1, 0, 0, 1, 0, 0, 1, 0]);
  });

  it('is the published formula from any place, also when the round passes 65,535', () => {
    const random = createRandom(SEED);
    for (let run = 0; run < 100; run++) {
      const weights = Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * 65_536));
      weights[Math.floor(random() * weights.length)] = MAX_STRIDE_WEIGHT;
      const near = weights.length * MAX_STRIDE_WEIGHT - 50;
      const sequence = run % 2 === 0 ? Math.floor(random() * 0xffff_0000) : near;
      const said = `${JSON.stringify(weights)} from ${sequence}, SEED=${SEED}`;
      expect(take(new Stride(Uint16Array.from(weights), sequence), 500), said).toEqual(
        published(weights, sequence, 500),
      );
    }
  });

  it('takes each in exactly `weight` of 65,535 rounds', () => {
    const weights = [65_535, 20_000, 1, 40_000];
    const stride = new Stride(Uint16Array.from(weights), 0);
    const counts = [0, 0, 0, 0];
    for (const place of take(stride, 65_535 + 20_000 + 1 + 40_000)) counts[place] = (counts[place] as number) + 1;
    expect(counts).toEqual(weights);
  });
});

describe('toStrideWeights', () => {
  it.each<[string, number[], number[] | undefined]>([
    ['the highest as 65,535', [1, 2, 4], [16_384, 32_768, 65_535]],
    ['those without as the mean of the others', [0, 10, 30], [43_690, 21_845, 65_535]],
    ['turns for fewer than two weights', [0, 5, 0], undefined],
    ['turns for none', [0, 0], undefined],
    ['turns for one member', [3], undefined],
    ['turns for all the same', [3, 3, 3], undefined],
    ['turns for the same and none', [3, 0, 3], undefined],
  ])('has %s', (_, weights, expected) => {
    const scaled = toStrideWeights(Float64Array.from(weights));
    expect(scaled === undefined ? undefined : [...scaled]).toEqual(expected);
  });
});
