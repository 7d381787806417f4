import { Code, createClient, type Client } from '@connectrpc/connect';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PlacesService } from '../gen/demo/places/v1/places_pb.ts';
import { loadPlaces } from '../src/places/places.ts';
import { createPlacesRoutes } from '../src/places/routes.ts';
import { startServer, type RunningServer } from './server.ts';

const ROTTERDAM = { latitude: 51.9225, longitude: 4.47917 };

describe('PlacesService', () => {
  let server: RunningServer;
  let client: Client<typeof PlacesService>;
  beforeAll(async () => {
    server = await startServer(createPlacesRoutes(loadPlaces()));
    client = createClient(PlacesService, server.transport);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  test('Search gives the most populous first, ten unless asked otherwise', async () => {
    const { places } = await client.search({ query: 'san' });
    expect(places.length).toBe(10);
    expect(places.map((place) => place.population)).toEqual(places.map((p) => p.population).sort((a, b) => b - a));
    expect((await client.search({ query: 'reykjavi', limit: 100 })).places[0]).toMatchObject({
      name: 'Reykjavík',
      country: 'IS',
      feature: 'PPLC',
    });
  });

  test('Nearby gives what lies within the radius, nearest first', async () => {
    const distances: number[] = [];
    const names: string[] = [];
    for await (const { place, distanceKm } of client.nearby({ ...ROTTERDAM, radiusKm: 30, limit: 2000 })) {
      distances.push(distanceKm);
      names.push(place?.name ?? '');
    }
    expect(names).toContain('The Hague');
    expect(names).not.toContain('Amsterdam');
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(distances.at(-1)).toBeLessThanOrEqual(30);
  });

  test('Nearby stops at the limit', async () => {
    let count = 0;
    for await (const _ of client.nearby({ ...ROTTERDAM, radiusKm: 2000, limit: 77 })) count += 1;
    expect(count).toBe(77);
  });

  test('Follow answers each position before the next is sent', async () => {
    const positions = [ROTTERDAM, { latitude: 48.8566, longitude: 2.3522 }, { latitude: -41.29, longitude: 174.78 }];
    const names: string[] = [];
    let answered = Promise.withResolvers<void>();
    async function* walk() {
      for (const position of positions) {
        yield position;
        await answered.promise;
        answered = Promise.withResolvers<void>();
      }
    }
    for await (const { nearest } of client.follow(walk())) {
      names.push(nearest?.name ?? '');
      answered.resolve();
    }
    expect(names).toEqual(['Rotterdam', 'Paris', 'Wellington']);
  });

  test.each([
    ['latitude', { latitude: 91 }],
    ['longitude', { longitude: Number.NaN }],
    ['radius_km', { radiusKm: 2001 }],
    ['radius_km', { radiusKm: -1 }],
    ['limit', { limit: 2001 }],
  ])('refuses a %s out of range: %o', async (field, request) => {
    const stream = client.nearby(request)[Symbol.asyncIterator]();
    await expect(stream.next()).rejects.toMatchObject({
      code: Code.InvalidArgument,
      rawMessage: expect.stringContaining(field),
    });
  });
});
