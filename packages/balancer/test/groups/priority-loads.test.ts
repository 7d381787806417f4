import { describe, expect, it } from 'vitest';
import { isInPanic, priorityLoads } from '../../src/groups/priority-loads.ts';

const percents = (...healthy: number[]) => healthy.map((percent) => ({ total: 100, healthy: percent }));

describe('priorityLoads', () => {
  it.each([
    [
      [100, 100],
      [100, 0],
    ],
    [
      [72, 100],
      [100, 0],
    ],
    [
      [71, 100],
      [99, 1],
    ],
    [
      [50, 100],
      [70, 30],
    ],
    [
      [25, 100],
      [35, 65],
    ],
    [
      [0, 100],
      [0, 100],
    ],
    [
      [25, 25],
      [50, 50],
    ],
    [
      [25, 25, 20],
      [36, 36, 28],
    ],
    [
      [50, 60],
      [70, 30],
    ],
    [
      [72, 72, 100],
      [100, 0, 0],
    ],
    [
      [71, 71, 100],
      [99, 1, 0],
    ],
    [
      [25, 25, 100],
      [35, 35, 30],
    ],
    [
      [0, 0, 7],
      [0, 0, 100],
    ],
    [
      [0, 0],
      [0, 0],
    ],
    [[], []],
  ])('shares %j as %j', (healthy, loads) => {
    expect(priorityLoads(percents(...healthy), 140).loads).toEqual(loads);
  });

  it('gives what rounding leaves to the first that is healthy', () => {
    // Three alike: 33 + 33 + 33, and one is left.
    expect(priorityLoads(percents(0, 10, 10, 10), 100).loads).toEqual([0, 34, 33, 33]);
  });

  it('adds up to 100 whatever the healths, and never to less than 0', () => {
    for (let a = 0; a <= 100; a += 3) {
      for (let b = 0; b <= 100; b += 7) {
        for (let c = 0; c <= 100; c += 11) {
          const { loads } = priorityLoads(percents(a, b, c), 140);
          expect(Math.min(...loads)).toBeGreaterThanOrEqual(0);
          expect(loads.reduce((x, y) => x + y)).toBe(a + b + c === 0 ? 0 : 100);
        }
      }
    }
  });

  it('counts a priority without members as nobody healthy', () => {
    expect(priorityLoads([{ total: 0, healthy: 0 }, ...percents(80)], 140).loads).toEqual([0, 100]);
  });
});

describe('isInPanic', () => {
  it.each([
    ['below the threshold', 49, 68, 50, true],
    ['at the threshold', 50, 70, 50, false],
    ['below it, while all together are healthy', 10, 100, 50, false],
    ['nobody healthy', 0, 0, 50, true],
    ['nobody healthy, switched off', 0, 0, 0, false],
    ['all but one healthy, a threshold of all', 99, 99, 100, true],
  ])('%s', (_, healthy, normalizedHealth, panicPercent, expected) => {
    expect(isInPanic({ total: 100, healthy }, normalizedHealth, panicPercent)).toBe(expected);
  });
});
