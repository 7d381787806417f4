import { describe, expect, it } from 'vitest';
import { slowStartFactor, slowStartStepMs } from '../src/slow-start.ts';

const policy = { windowMs: 60_000, aggression: 1, minWeightPercent: 10 };

describe('slowStartFactor', () => {
  it.each([
    // 1/60 and 3/60 are below the minimum, 6/60 is it.
    [0, 1, 0.1],
    [3_000, 1, 0.1],
    [6_000, 1, 0.1],
    [15_000, 1, 0.25],
    [30_000, 1, 0.5],
    [45_000, 1, 0.75],
    [59_999, 1, 59_999 / 60_000],
    [60_000, 1, 1],
    [1e9, 1, 1],
    // The square root of a quarter, the square of a half.
    [15_000, 2, 0.5],
    [30_000, 0.5, 0.25],
  ])('gives %d ms old with aggression %d the part %d', (ageMs, aggression, part) => {
    expect(slowStartFactor(ageMs, { ...policy, aggression })).toBeCloseTo(part, 9);
  });

  it('counts less than a second as one', () => {
    const short = { windowMs: 4_000, aggression: 1, minWeightPercent: 10 };
    expect([0, 999, 1_000, 2_000].map((ageMs) => slowStartFactor(ageMs, short))).toEqual([0.25, 0.25, 0.25, 0.5]);
    // A window shorter than that one second is not more than all.
    expect(slowStartFactor(0, { ...short, windowMs: 500 })).toBe(1);
  });
});

describe('slowStartStepMs', () => {
  it.each([
    [1_000, 100],
    [30_000, 600],
    [600_000, 1_000],
  ])('goes through %d ms in steps of %d', (windowMs, stepMs) => {
    expect(slowStartStepMs({ ...policy, windowMs })).toBe(stepMs);
  });
});
