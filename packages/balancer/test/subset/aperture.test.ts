import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { subsetOf, type Share } from '../../src/subset/index.ts';

interface Backend {
  readonly id: string;
  readonly weight: number;
}

const backends = (weights: readonly number[]): Backend[] =>
  weights.map((weight, index) => ({ id: `b-${index}`, weight }));

const equal = (count: number): Backend[] => backends(Array.from({ length: count }, () => 1));

function apertureOf(
  members: readonly Backend[],
  peerIndex: number,
  peerCount: number,
  minAperture = 12,
): Share<Backend>[] {
  return subsetOf(members, { kind: 'aperture', peerIndex, peerCount, minAperture });
}

/** What each backend gets when every process sends one call's worth, by weight times share. */
function loads(members: readonly Backend[], peerCount: number, minAperture: number): Map<string, number> {
  const loads = new Map<string, number>();
  for (let peer = 0; peer < peerCount; peer++) {
    const shares = apertureOf(members, peer, peerCount, minAperture);
    const total = shares.reduce((sum, { member, share }) => sum + member.weight * share, 0);
    for (const { member, share } of shares) {
      loads.set(member.id, (loads.get(member.id) ?? 0) + (member.weight * share) / total);
    }
  }
  return loads;
}

// By `min(1, ceil(aperture * (1/S) / (1/C)) * (1/C))`, the sum of shares is the width times S.
it.each([
  { servers: 100, clients: 100, width: 12 },
  { servers: 100, clients: 10, width: 20 },
  { servers: 100, clients: 3, width: 100 / 3 },
  { servers: 24, clients: 2, width: 12 },
  { servers: 10, clients: 50, width: 10 },
  { servers: 13, clients: 1, width: 13 },
  { servers: 1_000, clients: 7, width: 1_000 / 7 },
])('is $width wide for $clients clients of $servers servers', ({ servers, clients, width }) => {
  for (let peer = 0; peer < clients; peer++) {
    const shares = apertureOf(equal(servers), peer, clients);
    expect(shares.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(width, 6);
    expect(shares.length).toBeGreaterThanOrEqual(Math.min(12, servers));
  }
});

it('gives parts of those at the edges', () => {
  // 7 servers, 3 clients: arcs of 7/3 begin at 0, 7/3 and 14/3.
  const shares = [0, 1, 2].map((peer) => apertureOf(equal(7), peer, 3, 2).map(({ share }) => Math.round(share * 3)));
  expect(shares).toEqual([
    [3, 3, 1],
    [2, 3, 2],
    [1, 3, 3],
  ]);
});

it('is the same from any order, and wraps over the seam', () => {
  const members = equal(30);
  const idsOf = (list: readonly Backend[], peer: number): Set<string> =>
    new Set(apertureOf(list, peer, 10, 12).map(({ member }) => member.id));
  expect(idsOf(members.toReversed(), 9)).toEqual(idsOf(members, 9));
  expect(idsOf(members, 9).intersection(idsOf(members, 0)).size).toBeGreaterThan(0);
  expect(idsOf(members, 4).intersection(idsOf(members, 9)).size).toBe(0);
});

it('takes a place that is not among the peers as one that is', () => {
  expect(apertureOf(equal(50), 13, 10)).toEqual(apertureOf(equal(50), 3, 10));
  expect(apertureOf(equal(50), 0, 0)).toHaveLength(50);
  expect(apertureOf([], 0, 5)).toEqual([]);
});

it('loads all backends by their weight, whatever the numbers', () => {
  const weights = fc.array(fc.oneof(fc.constant(1), fc.double({ min: 0.1, max: 20, noNaN: true })), {
    minLength: 1,
    maxLength: 60,
  });
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 20 }), (given, peers, aperture) => {
      const members = backends(given);
      const total = given.reduce((sum, weight) => sum + weight, 0);
      const shared = loads(members, peers, aperture);
      for (const { id, weight } of members) expect(shared.get(id)).toBeCloseTo((peers * weight) / total, 6);
      for (let peer = 0; peer < peers; peer++) {
        const shares = apertureOf(members, peer, peers, aperture);
        expect(shares.length).toBeGreaterThanOrEqual(Math.min(aperture, members.length));
        expect(new Set(shares.map(({ member }) => member)).size).toBe(shares.length);
        expect(shares.every(({ share }) => share > 0 && share <= 1)).toBe(true);
      }
    }),
    fuzzing(200),
  );
});

it('takes all when none has a weight, and leaves out one without', () => {
  expect(apertureOf(backends([0, 0, 0, 0]), 1, 4, 1)).toHaveLength(4);
  const ids = [0, 1, 2, 3]
    .flatMap((peer) => apertureOf(backends([1, 0, 1, 1]), peer, 4, 1))
    .map(({ member }) => member.id);
  expect(new Set(ids)).toEqual(new Set(['b-0', 'b-2', 'b-3']));
});
