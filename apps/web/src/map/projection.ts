import { geoMercator, type GeoProjection } from 'd3-geo';
import type { Camera, Size } from './camera.ts';

/** Mercator, as on a chart: a circle on the ground is a circle in the picture. */
export function toProjection({ longitude, latitude, scale }: Camera, { width, height }: Size): GeoProjection {
  return geoMercator()
    .rotate([-longitude, 0])
    .center([0, latitude])
    .scale(scale)
    .translate([width / 2, height / 2])
    .precision(0.4)
    .clipExtent([
      [-20, -20],
      [width + 20, height + 20],
    ]);
}
