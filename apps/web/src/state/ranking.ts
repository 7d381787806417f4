import { signal } from '@preact/signals';
import type { Place } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import type { Ranked } from '../../../backend/gen/demo/ranking/v1/ranking_pb.ts';
import { rankingClient } from '../rpc/clients.ts';
import { noteBuild, toBuild } from './builds.ts';
import { focus, toDistanceKm, type Focus } from './focus.ts';

/** Build of the module that answers new calls, as far as this page knows; empty before the first answer. */
export const currentBuild = signal('');

let sent = 0;
let newestAnswered = 0;

/** An order of places, and who made it. */
export interface Ranking {
  readonly ranked: readonly Ranked[];
  readonly build: string;
}

/** Has the module order places. Every answer tells which build is current. */
export async function rank(places: readonly Place[], signal?: AbortSignal): Promise<Ranking> {
  const number = ++sent;
  const request = { candidates: toCandidates(places, focus.value), callId: `rank-${number}` };
  let endpoint: string | undefined;
  const onHeader = (header: Headers): void => {
    endpoint = header.get('bascule-endpoint') ?? undefined;
  };
  const { ranked, version } = await rankingClient.rank(
    request,
    signal === undefined ? { onHeader } : { onHeader, signal },
  );
  const build = toBuild(version, endpoint);
  noteBuild(build);
  // An answer overtaken by a later call's would bring the old build back for a moment.
  if (number > newestAnswered) {
    newestAnswered = number;
    currentBuild.value = build;
  }
  return { ranked, build };
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
