import { describe, expect, it } from 'vitest';
import { createMessageRate } from '../../src/load/message-rate.ts';

describe('createMessageRate', () => {
  it('comes to the rate of a steady stream, whoever reads it how often', () => {
    for (const readEveryMs of [100, 700, 2_000]) {
      const rate = createMessageRate(0);
      let seen = 0;
      for (let nowMs = 4; nowMs <= 10_000; nowMs += 4) {
        rate.moved();
        if (nowMs % readEveryMs === 0) seen = rate.perSecond(nowMs);
      }
      expect(seen, `read every ${readEveryMs} ms`).toBeGreaterThan(240);
      expect(seen, `read every ${readEveryMs} ms`).toBeLessThan(260);
    }
  });

  it('sinks when nothing moves, and is idle in the end', () => {
    const rate = createMessageRate(0);
    expect(rate.isIdle).toBe(true);
    for (let i = 0; i < 1_000; i++) rate.moved();
    expect(rate.isIdle).toBe(false);
    const first = rate.perSecond(1_000);
    expect(first).toBeCloseTo(1_000 * (1 - Math.exp(-1)), 6);
    expect(rate.perSecond(2_000)).toBeCloseTo(first * Math.exp(-1), 6);
    rate.perSecond(20_000);
    expect([rate.isIdle, rate.perSecond(20_001)]).toEqual([true, 0]);
  });

  it('waits for a tenth of a second before it judges', () => {
    const rate = createMessageRate(0);
    rate.moved();
    expect(rate.perSecond(0)).toBe(0);
    expect(rate.perSecond(99)).toBe(0);
    expect(rate.perSecond(100)).toBeGreaterThan(0);
  });
});
