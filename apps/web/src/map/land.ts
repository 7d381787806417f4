import { feature } from 'topojson-client';
import type { GeoPermissibleObjects } from 'd3-geo';
import type { Feature, FeatureCollection } from 'geojson';
import type { Topology } from 'topojson-specification';
import coarseUrl from 'world-atlas/land-110m.json?url';
import fineUrl from 'world-atlas/land-50m.json?url';

/** Nothing but ice lies south of it. */
const ICE_LATITUDE = -60;

export interface Land {
  readonly coarse: GeoPermissibleObjects;
  /** For a map at rest: too much to draw in each frame of a movement. */
  readonly fine: GeoPermissibleObjects;
}

/** Fetches the outlines of the land: the coarse ones first, and again with the fine ones. */
export async function loadLand(onLand: (land: Land) => void): Promise<void> {
  const finePromise = loadOutline(fineUrl);
  // Whichever fails is reported by the awaits below, not as a rejection nobody handles.
  finePromise.catch(() => undefined);
  const coarse = await loadOutline(coarseUrl);
  onLand({ coarse, fine: coarse });
  onLand({ coarse, fine: await finePromise });
}

async function loadOutline(url: string): Promise<GeoPermissibleObjects> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  const topology = (await response.json()) as Topology;
  const land = topology.objects['land'];
  if (land === undefined) throw new Error(`${url} holds no land`);
  return withoutIce(feature(topology, land));
}

/** Without Antarctica, which has no city and would fill a fifth of the chart. */
function withoutIce(land: Feature | FeatureCollection): FeatureCollection {
  const features = land.type === 'Feature' ? [land] : land.features;
  return { type: 'FeatureCollection', features: features.map(toIceFree) };
}

function toIceFree(land: Feature): Feature {
  if (land.geometry.type !== 'MultiPolygon') return land;
  const coordinates = land.geometry.coordinates.filter((polygon) =>
    polygon.some((ring) => ring.some((point) => (point[1] ?? 0) > ICE_LATITUDE)),
  );
  return { ...land, geometry: { ...land.geometry, coordinates } };
}
