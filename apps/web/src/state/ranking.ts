import { signal } from '@preact/signals';
import type { Place } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import type { RankResponse } from '../../../backend/gen/demo/ranking/v1/ranking_pb.ts';
import { rankingClient } from '../rpc/clients.ts';
import { focus, toDistanceKm, type Focus } from './focus.ts';

/** Version of the module that answers new calls, as far as this page knows; empty before the first answer. */
export const currentVersion = signal('');

let sent = 0;
let newestAnswered = 0;

/** Has the module order places. Every answer tells which version is current. */
export async function rank(places: readonly Place[], signal?: AbortSignal): Promise<RankResponse> {
  const number = ++sent;
  const request = { candidates: toCandidates(places, focus.value), callId: `rank-${number}` };
  const response = await rankingClient.rank(request, signal === undefined ? {} : { signal });
  // An answer overtaken by a later call's would bring the old version back for a moment.
  if (number > newestAnswered) {
    newestAnswered = number;
    currentVersion.value = response.version;
  }
  return response;
}

/** Places as the module sees them. */
export function toCandidates(places: readonly Place[], from: Focus) {
  return places.map((place) => ({
    id: place.id,
    name: place.name,
    population: place.population,
    feature: place.feature,
    distanceKm: toDistanceKm(from, place),
  }));
}
