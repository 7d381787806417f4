import { geoEqualEarth, type GeoProjection } from 'd3-geo';
import type { Camera, Size } from './camera.ts';

/**
 * Equal Earth, turned so that the middle of the picture lies on the middle meridian: there nothing leans, however far
 * one zooms in.
 */
export function toProjection({ longitude, latitude, scale }: Camera, { width, height }: Size): GeoProjection {
  return geoEqualEarth()
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
