import { describe, expect, it } from 'vitest';
import { localityShares, type LocalityShare } from '../../src/groups/locality-shares.ts';

const percentages = (shares: readonly LocalityShare[]) => {
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  return Object.fromEntries(shares.map(({ zone = '*', share }) => [zone, Math.round((share * 100) / total)]));
};
const zone = (name: string, healthy: number, total = 100) => ({ zone: name, healthy, total });

describe('locality weights', () => {
  const policy = { kind: 'weights', weights: { x: 1, y: 2 } } as const;

  it.each([
    [100, { x: 33, y: 67 }],
    [70, { x: 33, y: 67 }],
    [69, { x: 32, y: 68 }],
    [50, { x: 26, y: 74 }],
    [25, { x: 15, y: 85 }],
    [0, { x: 0, y: 100 }],
  ])('with %d %% of x healthy', (healthy, expected) => {
    expect(percentages(localityShares([zone('x', healthy), zone('y', 100)], policy, 140, true))).toEqual(expected);
  });

  it('weighs a zone that has no weight as 1, and one of weight 0 as nothing', () => {
    const zones = [zone('x', 100), zone('z', 100)];
    expect(percentages(localityShares(zones, { kind: 'weights', weights: { x: 3 } }, 140, true))).toEqual({
      x: 75,
      z: 25,
    });
    expect(percentages(localityShares(zones, { kind: 'weights', weights: { x: 0 } }, 140, true))).toEqual({
      x: 0,
      z: 100,
    });
  });

  it('looks at no zone when none has a share, so that calls are served', () => {
    const weights = { x: 0, y: 0 };
    expect(localityShares([zone('x', 9), zone('y', 9)], { kind: 'weights', weights }, 140, true)).toEqual([
      { zone: undefined, share: 1 },
    ]);
  });
});

describe('zone-aware routing', () => {
  const policy = { kind: 'zone-aware', ownZone: 'a', minEndpoints: 6, enabledPercent: 100 } as const;
  const shares = (zones: ReturnType<typeof zone>[], overrides: object = {}) =>
    percentages(localityShares(zones, { ...policy, ...overrides }, 140, true));
  const off = { '*': 100 };

  it('keeps all calls where the own zone has at least its part of the members', () => {
    expect(shares([zone('a', 2), zone('b', 2), zone('c', 2)])).toEqual({ a: 100, b: 0, c: 0 });
    expect(shares([zone('a', 6), zone('b', 2)])).toEqual({ a: 100, b: 0 });
  });

  it('keeps what the own zone has room for, and gives the rest by room left', () => {
    // Callers 50 / 50; members 25 / 75: half stays.
    expect(shares([zone('a', 2), zone('b', 6)])).toEqual({ a: 50, b: 50 });
    // Envoy's example: callers 40 / 40 / 20, members 25 / 50 / 25. 62.5 % stays, the rest is 10 : 5.
    const peersByZone = { a: 40, b: 40, c: 20 };
    expect(shares([zone('a', 5), zone('b', 10), zone('c', 5)], { peersByZone })).toEqual({ a: 63, b: 25, c: 13 });
  });

  it('counts the healthy alone', () => {
    expect(shares([zone('a', 2, 6), zone('b', 6, 6)])).toEqual({ a: 50, b: 50 });
  });

  it.each([
    ['too few members', [zone('a', 2), zone('b', 3)]],
    ['a single zone', [zone('a', 8)]],
    ['nobody healthy at home', [zone('a', 0, 4), zone('b', 8)]],
    ['nobody at home', [zone('b', 4), zone('c', 4)]],
  ])('is off with %s', (_, zones) => {
    expect(shares(zones)).toEqual(off);
  });

  it('is for the first priority only', () => {
    expect(percentages(localityShares([zone('a', 4), zone('b', 4)], policy, 140, false))).toEqual(off);
  });

  it('applies to its share of calls', () => {
    expect(shares([zone('a', 4), zone('b', 4)], { enabledPercent: 25 })).toEqual({ a: 25, b: 0, '*': 75 });
  });

  it('gives nothing to zones of which nobody calls when there is room at home', () => {
    expect(shares([zone('a', 4), zone('b', 4)], { peersByZone: { a: 1, b: 1 } })).toEqual({ a: 100, b: 0 });
    expect(shares([zone('a', 3), zone('b', 9)], { peersByZone: { a: 2 } })).toEqual({ a: 25, b: 75 });
  });
});
