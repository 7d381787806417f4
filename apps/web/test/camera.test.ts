import { describe, expect, test } from 'vitest';
import { clampCamera, toBetween, toCircleScale, toLongitude, toWorldScale } from '../src/map/camera.ts';
import { toProjection } from '../src/map/projection.ts';

const SIZE = { width: 700, height: 800 };

describe('camera', () => {
  test('a flight begins and ends where it should, the short way around', () => {
    const from = { longitude: 170, latitude: -40, scale: 500 };
    const to = { longitude: -170, latitude: 10, scale: 4000 };
    expect(toBetween(from, to, 0)).toMatchObject({ longitude: 170, latitude: -40 });
    expect(toBetween(from, to, 1).longitude).toBeCloseTo(-170, 9);
    expect(toBetween(from, to, 1).scale).toBeCloseTo(4000, 6);
    expect(Math.abs(toBetween(from, to, 0.5).longitude)).toBeGreaterThan(170);
  });

  test.each([0, 35, -52, 70])('a circle at %d degrees fits into the picture', (latitude) => {
    const camera = clampCamera(
      { longitude: 12, latitude, scale: toCircleScale(SIZE, { latitude, radiusKm: 150 }) },
      SIZE,
    );
    const projection = toProjection(camera, SIZE);
    const degrees = 150 / 111.195;
    const [east = 0] = projection([12 + degrees / Math.cos((latitude * Math.PI) / 180), latitude]) ?? [];
    const [, north = 0] = projection([12, latitude + degrees]) ?? [];
    // Mercator stretches a little within the circle too.
    for (const radius of [east - SIZE.width / 2, SIZE.height / 2 - north]) {
      expect(radius).toBeGreaterThan(0.4 * SIZE.width);
      expect(radius).toBeLessThan(0.45 * SIZE.width);
    }
  });

  test('what is shown is kept within the world', () => {
    const camera = clampCamera({ longitude: 540, latitude: 89, scale: 1 }, SIZE);
    expect(camera.scale).toBe(toWorldScale(SIZE));
    expect(camera.latitude).toBeLessThan(80);
    expect(Math.abs(camera.longitude)).toBe(180);
  });

  test('longitudes come around', () => {
    expect([0, 190, -190, 725].map(toLongitude)).toEqual([0, -170, 170, 5]);
  });
});
