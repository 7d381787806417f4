import type { CallFact } from '@bascule/web';
import { describe, expect, test } from 'vitest';
import {
  addCall,
  addSecond,
  NO_CALLS,
  SECONDS_SHOWN,
  toPercentile,
  toRate,
  type CallStats,
} from '../src/state/call-stats.ts';

const SEARCH: CallFact = {
  service: 'demo.places.v1.PlacesService',
  method: 'Search',
  code: 'ok',
  durationMs: 4,
  endpoint: 'places-1',
};
const RANK: CallFact = {
  ...SEARCH,
  service: 'demo.ranking.v1.RankingService',
  method: 'Rank',
  endpoint: 'ranking@1.0.0+8e0174616199',
  version: '1.0.0',
};

function countAll(...facts: CallFact[]): CallStats {
  return facts.reduce(addCall, NO_CALLS);
}

describe('call stats', () => {
  test('what the page canceled is no failure, all other codes are', () => {
    const stats = countAll(SEARCH, { ...SEARCH, code: 'canceled' }, { ...SEARCH, code: 'unavailable' });
    expect(stats).toMatchObject({ total: 3, failed: 1 });
  });

  test('latencies are of unary calls that went well', () => {
    const watched = { ...RANK, method: 'Watch', durationMs: 60_000 };
    const stats = countAll(SEARCH, watched, { ...SEARCH, code: 'unavailable', durationMs: 15_000 });
    expect(stats.durationsMs).toEqual([4]);
  });

  test('backends by instance, the module by build', () => {
    const restarted = { ...SEARCH, endpoint: 'places-1#17' };
    const saved = { ...RANK, endpoint: 'ranking@1.0.0+06ea74addbac' };
    const stats = countAll({ ...SEARCH, endpoint: 'places-10' }, SEARCH, restarted, RANK, saved, RANK);
    expect(stats.backends.map(({ name, count }) => [name, count])).toEqual([
      ['places-1', 2],
      ['places-10', 1],
    ]);
    expect(stats.versions.map(({ name, count }) => [name, count])).toEqual([
      ['1.0.0+06ea74addbac', 1],
      ['1.0.0+8e0174616199', 2],
    ]);
  });

  test('counts what the gateway had to repeat', () => {
    expect(countAll({ ...SEARCH, attempts: 1 }, { ...SEARCH, attempts: 2 }).retried).toBe(1);
  });

  test('the rate is over full seconds alone', () => {
    let stats = NO_CALLS;
    for (let second = 0; second < 5; second++) {
      stats = addSecond(addCall(addCall(stats, SEARCH), SEARCH));
    }
    expect(toRate(addCall(stats, SEARCH))).toBe(2);
  });

  test('the rate begins with the page, not with a minute of nothing', () => {
    const stats = addSecond(addCall(addCall(addCall(NO_CALLS, SEARCH), SEARCH), SEARCH));
    expect(toRate(stats)).toBe(3);
    expect(toRate(NO_CALLS)).toBe(0);
  });

  test('no more seconds are kept than are shown', () => {
    let stats = NO_CALLS;
    for (let i = 0; i < 2 * SECONDS_SHOWN; i++) stats = addSecond(stats);
    expect(stats.perSecond).toHaveLength(SECONDS_SHOWN);
  });

  test('keeps a bounded number of calls', () => {
    let stats = NO_CALLS;
    for (let i = 0; i < 1000; i++) stats = addCall(stats, SEARCH);
    expect(stats.total).toBe(1000);
    expect(stats.recent[0]?.number).toBe(1000);
    expect(stats.recent.length).toBeLessThanOrEqual(50);
    expect(stats.durationsMs.length).toBeLessThanOrEqual(500);
  });

  test('percentiles are values that were measured', () => {
    const durations = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(toPercentile(durations, 0.5)).toBe(50);
    expect(toPercentile(durations, 0.99)).toBe(99);
    expect(toPercentile([7], 0.5)).toBe(7);
    expect(toPercentile([], 0.5)).toBeUndefined();
  });
});
