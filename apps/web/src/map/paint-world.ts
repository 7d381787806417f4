import { geoCircle, geoGraticule10, geoPath, type GeoPermissibleObjects, type GeoProjection } from 'd3-geo';
import type { Colors } from './colors.ts';

const GRATICULE = geoGraticule10();

export interface World {
  readonly projection: GeoProjection;
  readonly colors: Colors;
  readonly land: GeoPermissibleObjects | undefined;
  readonly circle: { readonly longitude: number; readonly latitude: number; readonly radiusKm: number };
}

/** Paints what moves only with the camera: sea, land, and the circle in which places are looked for. */
export function paintWorld(context: CanvasRenderingContext2D, world: World): void {
  const { projection, colors, land, circle } = world;
  const path = geoPath(projection, context);
  const trace = (object: GeoPermissibleObjects): void => {
    context.beginPath();
    path(object);
  };
  context.fillStyle = colors.sea;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  trace(GRATICULE);
  context.strokeStyle = colors.grid;
  context.lineWidth = 0.75;
  context.stroke();
  if (land !== undefined) {
    trace(land);
    context.fillStyle = colors.land;
    context.strokeStyle = colors.shore;
    context.lineWidth = 0.8;
    context.fill();
    context.stroke();
  }
  trace(
    geoCircle()
      .center([circle.longitude, circle.latitude])
      .radius(circle.radiusKm / 111.195)
      .precision(2)(),
  );
  context.fillStyle = colors.spot;
  context.fill();
  context.strokeStyle = colors.circle;
  context.lineWidth = 1.25;
  context.setLineDash([2, 4]);
  context.stroke();
  context.setLineDash([]);
}
