import { describe, expect, it } from 'vitest';
import { createLatency } from '../../src/load/latency.ts';

// e^-1 and e^-0.5, for a decay time of 10 s and steps of 10 and 5 s.
const E1 = 0.367_879_441_171_442_3;
const E05 = 0.606_530_659_712_633_4;

describe('peakMs', () => {
  it.each<[string, [sampleMs: number, atMs: number][], readAtMs: number, expectedMs: number]>([
    ['the first sample', [[40, 0]], 0, 40],
    [
      'a peak at once',
      [
        [40, 0],
        [400, 1],
      ],
      1,
      400,
    ],
    ['its decay on a read after tau', [[400, 0]], 10_000, 400 * E1],
    [
      'a lower sample after tau: 400 / e + 40 (1 - 1 / e)',
      [
        [400, 0],
        [40, 10_000],
      ],
      10_000,
      400 * E1 + 40 * (1 - E1),
    ],
    [
      'two lower samples',
      [
        [100, 0],
        [50, 5_000],
        [10, 10_000],
      ],
      10_000,
      (100 * E05 + 50 * (1 - E05)) * E05 + 10 * (1 - E05),
    ],
    [
      'a sample at the same moment that is lower: nothing',
      [
        [100, 0],
        [50, 0],
      ],
      0,
      100,
    ],
  ])('has %s', (_, samples, readAtMs, expectedMs) => {
    const latency = createLatency(10_000);
    for (const [sampleMs, atMs] of samples) latency.record(sampleMs, atMs);
    expect(latency.peakMs(readAtMs)).toBeCloseTo(expectedMs, 9);
    expect(latency.count).toBe(samples.length);
  });

  it('decays by time, not by the number of reads', () => {
    const often = createLatency(10_000);
    const once = createLatency(10_000);
    for (const latency of [often, once]) latency.record(100, 0);
    for (let nowMs = 0; nowMs <= 5_000; nowMs += 10) often.peakMs(nowMs);
    expect(often.peakMs(5_000)).toBeCloseTo(once.peakMs(5_000), 9);
  });

  it('takes a sample for a peak that lies above what reads left of the average', () => {
    const latency = createLatency(10_000);
    latency.record(100, 0);
    expect(latency.peakMs(10_000)).toBeCloseTo(100 * E1, 9);
    latency.record(50, 10_000);
    expect(latency.peakMs(10_000)).toBe(50);
  });

  it('does not mind a clock that steps back, nor samples that are no times', () => {
    const latency = createLatency(10_000);
    latency.record(100, 1_000);
    expect(latency.peakMs(0)).toBe(100);
    for (const sampleMs of [NaN, -1]) latency.record(sampleMs, 1_001);
    expect([latency.count, latency.meanMs(1_001)]).toEqual([1, 100]);
  });
});

describe('meanMs', () => {
  it('knows no peaks, and holds while samples come', () => {
    const latency = createLatency(10_000);
    latency.record(100, 0);
    latency.record(400, 5_000);
    const expected = 100 * E05 + 400 * (1 - E05);
    expect(latency.meanMs(5_000)).toBeCloseTo(expected, 9);
    expect(latency.meanMs(15_000)).toBeCloseTo(expected, 9);
  });

  it('sinks once the last sample is older than the decay time', () => {
    const latency = createLatency(10_000);
    latency.record(100, 0);
    expect(latency.meanMs(20_000)).toBeCloseTo(100 * E1, 9);
    expect(latency.meanMs(200_000)).toBeLessThan(0.001);
  });

  it('takes another decay time at once', () => {
    const latency = createLatency(10_000);
    latency.record(100, 0);
    latency.decayMs = 5_000;
    latency.record(0, 5_000);
    expect(latency.meanMs(5_000)).toBeCloseTo(100 * E1, 9);
  });
});
