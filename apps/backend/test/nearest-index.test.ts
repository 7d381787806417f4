import { createRandom } from '@bascule/core';
import { describe, expect, test } from 'vitest';
import { createNearestIndex, type Point } from '../src/places/nearest-index.ts';

const SEED = Number(process.env['SEED'] ?? 20_261);

/** Haversine: another way to the same number. */
function toKm(a: Point, b: Point): number {
  const rad = Math.PI / 180;
  const h =
    Math.sin(((b.latitude - a.latitude) * rad) / 2) ** 2 +
    Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * Math.sin(((b.longitude - a.longitude) * rad) / 2) ** 2;
  return 2 * 6371.0088 * Math.asin(Math.sqrt(h));
}

describe(`nearest index, SEED=${SEED}`, () => {
  const random = createRandom(SEED);
  const somewhere = (): Point => ({ latitude: random() * 180 - 90, longitude: random() * 360 - 180 });
  const points = [
    ...Array.from({ length: 3000 }, somewhere),
    ...Array.from({ length: 40 }, () => ({ latitude: 5, longitude: 5 })),
  ];
  const index = createNearestIndex(points);

  test.each([
    ['the pole', { latitude: 90, longitude: 0 }],
    ['the date line', { latitude: 10, longitude: 180 }],
    ['points in one place', { latitude: 5, longitude: 5 }],
    ['anywhere', somewhere()],
  ])('finds around %s what a scan finds, in order', (_, centre) => {
    const wanted = points
      .map((point) => toKm(centre, point))
      .filter((km) => km <= 1500)
      .sort((a, b) => a - b);
    const found = [...index.around(centre, 1500)];
    expect(new Set(found.map(({ position }) => position)).size).toBe(found.length);
    expect(found.length).toBe(wanted.length);
    for (const [i, { position, distanceKm }] of found.entries()) {
      expect(distanceKm).toBeCloseTo(wanted[i] as number, 3);
      expect(distanceKm).toBeCloseTo(toKm(centre, points[position] as Point), 3);
    }
  });

  test('without a radius finds every point, and none in an empty list', () => {
    expect([...index.around({ latitude: 0, longitude: 0 }, Infinity)].length).toBe(points.length);
    expect([...createNearestIndex([]).around({ latitude: 0, longitude: 0 }, Infinity)]).toEqual([]);
  });
});
