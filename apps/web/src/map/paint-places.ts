import type { GeoProjection } from 'd3-geo';
import type { Dot } from '../state/nearby.ts';
import type { Colors } from './colors.ts';

/** How long a dot takes to come up. */
const ARRIVAL_MS = 520;

const MOST_LABELS = 14;

/** Radius of the number of a result. */
export const MARKER_PX = 8;

export interface Marker {
  readonly id: number;
  readonly name: string;
  readonly latitude: number;
  readonly longitude: number;
  /** Place in the list of results, from 1. */
  readonly rank: number;
}

export interface Places {
  readonly projection: GeoProjection;
  readonly colors: Colors;
  readonly dots: readonly Dot[];
  readonly markers: readonly Marker[];
  /** Id of the place that is pointed at, or 0. */
  readonly hovered: number;
  readonly nowMs: number;
  readonly font: string;
}

type Box = readonly [left: number, top: number, right: number, bottom: number];

/** Paints places over the world. Tells whether a dot is still coming up. */
export function paintPlaces(context: CanvasRenderingContext2D, places: Places): boolean {
  const { dots, colors } = places;
  let moving = false;
  context.lineWidth = 1;
  for (const dot of dots) {
    const at = project(places, dot.place);
    if (at === undefined) continue;
    const share = Math.min(1, (places.nowMs - dot.arrivedMs) / ARRIVAL_MS);
    moving ||= share < 1;
    const capital = dot.place.feature === 'PPLC';
    paintDot(context, at, toDotRadius(dot.place.population) * toGrowth(share), capital ? colors.capital : colors.dot);
  }
  const boxes: Box[] = [];
  for (const marker of places.markers) paintMarker(context, places, marker, boxes);
  paintLabels(context, places, boxes);
  return moving;
}

/** From a village to a metropolis: 1.3 to 10 pixels. */
export function toDotRadius(population: number): number {
  return 1.3 + Math.sqrt(population) / 420;
}

/** Comes up a little too large, and settles. */
function toGrowth(share: number): number {
  return share >= 1 ? 1 : Math.max(0, 1 + 2.2 * (share - 1) ** 3 + 1.2 * (share - 1) ** 2);
}

function project({ projection }: Places, place: { longitude: number; latitude: number }): [number, number] | undefined {
  return projection([place.longitude, place.latitude]) ?? undefined;
}

function paintDot(context: CanvasRenderingContext2D, [x, y]: [number, number], radius: number, color: string): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = color;
  context.globalAlpha = radius > 4 ? 0.55 : 0.75;
  context.fill();
  context.globalAlpha = 1;
  if (radius <= 4) return;
  context.strokeStyle = color;
  context.stroke();
}

function paintMarker(context: CanvasRenderingContext2D, places: Places, marker: Marker, boxes: Box[]): void {
  const at = project(places, marker);
  if (at === undefined) return;
  const [x, y] = at;
  const radius = marker.id === places.hovered ? MARKER_PX + 2 : MARKER_PX;
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = marker.id === places.hovered ? places.colors.circle : places.colors.marker;
  context.fill();
  context.strokeStyle = places.colors.halo;
  context.lineWidth = 1.5;
  context.stroke();
  context.font = `600 10px ${places.font}`;
  context.textAlign = 'center';
  context.textBaseline = 'middle';
  context.fillStyle = places.colors.halo;
  context.fillText(String(marker.rank), x, y + 0.5);
  boxes.push([x - radius, y - radius, x + radius, y + radius]);
}

/** Names the largest places, where there is room. */
function paintLabels(context: CanvasRenderingContext2D, places: Places, boxes: Box[]): void {
  const named = places.dots.toSorted((a, b) => b.place.population - a.place.population).slice(0, 60);
  context.textAlign = 'left';
  context.textBaseline = 'middle';
  context.lineJoin = 'round';
  const marked = new Set(places.markers.map(({ id }) => id));
  let labels = 0;
  for (const { place } of named) {
    const at = project(places, place);
    if (at === undefined || labels >= MOST_LABELS) continue;
    const size = place.population > 500_000 ? 13 : 11.5;
    context.font = `${place.population > 500_000 ? 600 : 500} ${size}px ${places.font}`;
    const left = at[0] + (marked.has(place.id) ? MARKER_PX : toDotRadius(place.population)) + 4;
    const box: Box = [left - 2, at[1] - 9, left + context.measureText(place.name).width + 4, at[1] + 9];
    if (boxes.some((other) => overlaps(box, other))) continue;
    boxes.push(box);
    labels += 1;
    context.strokeStyle = places.colors.halo;
    context.lineWidth = 3.5;
    context.strokeText(place.name, left, at[1]);
    context.fillStyle = places.colors.text;
    context.fillText(place.name, left, at[1]);
  }
}

function overlaps(a: Box, b: Box): boolean {
  return a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
}
