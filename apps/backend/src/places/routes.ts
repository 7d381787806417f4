import { setImmediate } from 'node:timers/promises';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { PlacesService, type NearbyRequest, type SearchRequest } from '../../gen/demo/places/v1/places_pb.ts';
import { createNearestIndex, type NearestIndex, type Point } from './nearest-index.ts';
import type { City } from './places.ts';
import { createSearchIndex } from './search-index.ts';

/** Answers after which a stream lets other calls have their turn. */
const ANSWERS_PER_TURN = 32;

/** Registers PlacesService over `places`, which come most people first. */
export function createPlacesRoutes(places: readonly City[]): (router: ConnectRouter) => void {
  const byName = createSearchIndex(places.map((place) => place.name));
  let nearest: NearestIndex | undefined;
  // Made for the first call that needs it: a backend that has just been started takes searches sooner.
  const byPoint = (): NearestIndex => (nearest ??= createNearestIndex(places));
  return (router) => {
    router.service(PlacesService, {
      search(request: SearchRequest) {
        const limit = toCount('limit', request.limit || 10, 100);
        return { places: byName.find(request.query, limit).map((position) => places[position] as City) };
      },
      nearby: (request, context) => findNearby(places, byPoint(), request, context),
      async *follow(requests) {
        for await (const request of requests) {
          const [nearest] = byPoint().around(toPoint(request), Infinity).take(1);
          if (nearest === undefined) throw new ConnectError('there are no places', Code.NotFound);
          yield { nearest: places[nearest.position] as City, distanceKm: nearest.distanceKm };
        }
      },
    });
  };
}

async function* findNearby(
  places: readonly City[],
  index: NearestIndex,
  request: NearbyRequest,
  context: HandlerContext,
) {
  const limit = toCount('limit', request.limit || 200, 2000);
  const radiusKm = toRadius(request.radiusKm);
  let found = 0;
  for (const { position, distanceKm } of index.around(toPoint(request), radiusKm).take(limit)) {
    context.signal.throwIfAborted();
    yield { place: places[position] as City, distanceKm };
    found += 1;
    if (found % ANSWERS_PER_TURN === 0) await setImmediate();
  }
}

function toPoint({ latitude, longitude }: Point): Point {
  if (!(Math.abs(latitude) <= 90)) throw outOfRange('latitude', latitude, '-90 to 90');
  if (!(Math.abs(longitude) <= 180)) throw outOfRange('longitude', longitude, '-180 to 180');
  return { latitude, longitude };
}

function toRadius(radiusKm: number): number {
  if (radiusKm === 0) return 100;
  if (!(radiusKm > 0 && radiusKm <= 2000)) throw outOfRange('radius_km', radiusKm, '0 to 2000, 0 being 100');
  return radiusKm;
}

function toCount(field: string, value: number, max: number): number {
  if (value > max) throw outOfRange(field, value, `1 to ${max}`);
  return value;
}

function outOfRange(field: string, value: number, range: string): ConnectError {
  return new ConnectError(`${field} is ${value}, but must be ${range}`, Code.InvalidArgument);
}
