import type { GeoProjection } from 'd3-geo';
import type { Dot } from '../state/nearby.ts';
import { clampCamera, toBetween, toCircleScale, toWorldScale, type Camera, type Size } from './camera.ts';
import { readColors, type Colors } from './colors.ts';
import type { Land } from './land.ts';
import { MARKER_PX, paintPlaces, toDotRadius, type Marker } from './paint-places.ts';
import { paintWorld, type World } from './paint-world.ts';
import { toProjection } from './projection.ts';

const FLIGHT_MS = 900;

/** Farther from the pointer nothing is pointed at. */
const REACH_PX = 12;

interface Scene {
  readonly land: Land | undefined;
  readonly circle: World['circle'];
  readonly dots: readonly Dot[];
  readonly markers: readonly Marker[];
  readonly hovered: number;
}

export interface Pointed {
  readonly id: number;
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** A map on two canvases: the world below moves only with the camera, places above come and go. */
export interface WorldMap {
  show(scene: Scene): void;
  resize(size: Size): void;
  /** Flies to a circle. */
  flyTo(circle: World['circle']): void;
  flyToWorld(): void;
  zoom(factor: number): void;
  /** Moves the picture with the pointer. */
  drag(dx: number, dy: number): void;
  toPoint(x: number, y: number): { longitude: number; latitude: number } | undefined;
  toPlace(x: number, y: number): Pointed | undefined;
  /** Reads the colours again: the browser went from light to dark, or back. */
  recolor(): void;
  close(): void;
}

export function createWorldMap(below: HTMLCanvasElement, above: HTMLCanvasElement): WorldMap {
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  const font = getComputedStyle(above).fontFamily;
  let size: Size = { width: 1, height: 1 };
  let camera: Camera = { longitude: 10, latitude: 20, scale: 0 };
  let colors: Colors = readColors(below);
  let scene: Scene = {
    land: undefined,
    circle: { longitude: 0, latitude: 0, radiusKm: 1 },
    dots: [],
    markers: [],
    hovered: 0,
  };
  let flight: { from: Camera; to: Camera; startMs: number } | undefined;
  let projection: GeoProjection = toProjection(camera, size);
  let worldStale = true;
  let frame = 0;

  const schedule = (): void => {
    frame ||= requestAnimationFrame(paint);
  };
  const moveTo = (next: Camera): void => {
    camera = clampCamera(next, size);
    projection = toProjection(camera, size);
    worldStale = true;
    schedule();
  };
  const fly = (to: Camera): void => {
    const target = clampCamera(to, size);
    flight = calm.matches || camera.scale === 0 ? undefined : { from: camera, to: target, startMs: performance.now() };
    if (flight === undefined) moveTo(target);
    else schedule();
  };
  const paint = (nowMs: number): void => {
    frame = 0;
    if (flight !== undefined) {
      const share = Math.min(1, Math.max(0, nowMs - flight.startMs) / FLIGHT_MS);
      moveTo(toBetween(flight.from, flight.to, share));
      if (share === 1) flight = undefined;
    }
    if (worldStale) {
      worldStale = false;
      const land = flight === undefined ? scene.land?.fine : scene.land?.coarse;
      paintWorld(clear(below, size), { projection, colors, land, circle: scene.circle });
    }
    const { dots, markers, hovered } = scene;
    const moving = paintPlaces(clear(above, size), {
      projection,
      colors,
      dots,
      markers,
      hovered,
      nowMs: performance.now(),
      font,
    });
    if (moving || flight !== undefined) schedule();
  };

  return {
    show(next) {
      worldStale ||= next.land !== scene.land || next.circle !== scene.circle;
      scene = next;
      schedule();
    },
    resize(next) {
      // The same ground stays in the picture.
      const ratio = camera.scale === 0 ? 0 : Math.min(next.width, next.height) / Math.min(size.width, size.height);
      size = next;
      moveTo({ ...camera, scale: camera.scale * ratio });
    },
    flyTo: (circle) => fly({ ...circle, scale: toCircleScale(size, circle) }),
    flyToWorld: () => fly({ longitude: 10, latitude: 22, scale: toWorldScale(size) }),
    zoom: (factor) => fly({ ...(flight?.to ?? camera), scale: (flight?.to ?? camera).scale * factor }),
    drag(dx, dy) {
      flight = undefined;
      const degrees = 180 / Math.PI / camera.scale;
      const stretch = Math.max(0.2, Math.cos((camera.latitude * Math.PI) / 180));
      moveTo({
        ...camera,
        longitude: camera.longitude - (dx * degrees) / stretch,
        latitude: camera.latitude + dy * degrees,
      });
    },
    toPoint(x, y) {
      const [longitude, latitude] = projection.invert?.([x, y]) ?? [];
      if (longitude === undefined || latitude === undefined) return undefined;
      return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { longitude, latitude } : undefined;
    },
    toPlace: (x, y) => findPlace(projection, scene, x, y),
    recolor() {
      colors = readColors(below);
      worldStale = true;
      schedule();
    },
    close: () => cancelAnimationFrame(frame),
  };
}

/** Empties a canvas, in CSS pixels whatever the screen has. */
function clear(canvas: HTMLCanvasElement, { width, height }: Size): CanvasRenderingContext2D {
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('this browser has no 2d canvas');
  const ratio = devicePixelRatio;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
  if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

function findPlace(projection: GeoProjection, { dots, markers }: Scene, x: number, y: number): Pointed | undefined {
  let nearest: Pointed | undefined;
  let least = REACH_PX;
  const consider = (place: { id: number; name: string; longitude: number; latitude: number }, radius: number): void => {
    const at = projection([place.longitude, place.latitude]);
    if (at === null) return;
    const distance = Math.hypot(at[0] - x, at[1] - y) - radius;
    if (distance >= least) return;
    least = distance;
    nearest = { id: place.id, name: place.name, x: at[0], y: at[1] };
  };
  for (const { place } of dots) consider(place, toDotRadius(place.population));
  for (const marker of markers) consider(marker, MARKER_PX);
  return nearest;
}
