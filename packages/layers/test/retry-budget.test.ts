import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createRetryBudget } from '../src/index.ts';

function setUp(percent: number, reservePerSecond: number) {
  const clock = createVirtualClock(1, 123_456);
  const budget = createRetryBudget({ clock, percent, reservePerSecond, windowMs: 10_000 });
  const drain = (): number => {
    let taken = 0;
    while (taken < 10_000 && budget.tryWithdraw()) taken++;
    return taken;
  };
  return { clock, budget, drain };
}

describe('createRetryBudget', () => {
  it.each([
    [0, 100],
    [499, 100],
    [500, 100],
    [1000, 200],
  ])('gives a share of %d calls of the window, and the reserve at least', (calls, retries) => {
    const { budget, drain } = setUp(20, 10);
    for (let i = 0; i < calls; i++) budget.deposit();
    expect(drain()).toBe(retries);
  });

  it.each([
    [50, 1.2],
    [1000, 1.2],
    [10, 2],
  ])('keeps upstream calls at %d failing calls a second to %d times as many', (perSecond, factor) => {
    const { clock, budget } = setUp(20, 10);
    let upstream = 0;
    for (let second = 0; second < 120; second++) {
      for (let i = 0; i < perSecond; i++) {
        budget.deposit();
        upstream++;
        for (let retry = 0; retry < 2; retry++) if (budget.tryWithdraw()) upstream++;
        clock.advance(1000 / perSecond);
      }
    }
    // The reserve of the first window is there at once.
    expect(upstream).toBeLessThanOrEqual(120 * perSecond * factor + 100);
    expect(upstream).toBeGreaterThan(120 * perSecond * (factor - 0.05));
  });

  it('gives back what was taken once the window has passed, and forgets old calls', () => {
    const { clock, budget, drain } = setUp(20, 1);
    for (let i = 0; i < 100; i++) budget.deposit();
    expect([drain(), drain()]).toEqual([20, 0]);
    clock.advance(5000);
    expect(drain()).toBe(0);
    clock.advance(5001);
    expect(drain()).toBe(10);
    clock.advance(1_000_000);
    expect(drain()).toBe(10);
  });

  it('slides slot by slot', () => {
    const { clock, budget, drain } = setUp(100, 0);
    for (let second = 0; second < 10; second++) {
      budget.deposit();
      if (second < 9) clock.advance(1000);
    }
    expect(drain()).toBe(10);
    clock.advance(1000);
    for (let i = 0; i < 5; i++) budget.deposit();
    // One old call has left, five came; ten were taken in the slot before.
    expect(drain()).toBe(4);
  });

  it('gives nothing where nothing is to be given', () => {
    const { budget, drain } = setUp(0, 0);
    budget.deposit();
    expect(drain()).toBe(0);
  });
});
