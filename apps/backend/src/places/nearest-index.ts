import { createTree, type Node, type Vector } from './kd-tree.ts';
import { createMinHeap } from './min-heap.ts';

/** Mean radius of the Earth in km, IUGG. */
const EARTH_RADIUS_KM = 6371.0088;

/** In degrees. */
export interface Point {
  readonly latitude: number;
  readonly longitude: number;
}

interface Neighbour {
  /** In the list that was indexed. */
  readonly position: number;
  readonly distanceKm: number;
}

/** Finds the points around a point. */
export interface NearestIndex {
  /** The points up to `radiusKm` away, nearest first; each is looked for only when it is asked for. */
  around(centre: Point, radiusKm: number): Generator<Neighbour, void>;
}

/**
 * Points as vectors to the unit sphere instead of latitude and longitude, so that poles and the date line are places
 * like any other. The tree is searched best first: a heap holds nodes and points by their distance, and a point that
 * comes out of it is nearer than all that is still in it.
 */
export function createNearestIndex(points: readonly Point[]): NearestIndex {
  const vectors = points.map(toVector);
  const tree = createTree([toAxis(vectors, 0), toAxis(vectors, 1), toAxis(vectors, 2)]);
  return {
    *around(centre, radiusKm) {
      const target = toVector(centre);
      const maxChord2 = toChord2(radiusKm);
      const heap = createMinHeap<Node | number>();
      heap.push(0, tree);
      for (let best = heap.pop(); best !== undefined && best.key <= maxChord2; best = heap.pop()) {
        if (typeof best.value === 'number') {
          yield { position: best.value, distanceKm: toKm(best.key) };
        } else if ('halves' in best.value.content) {
          for (const half of best.value.content.halves) heap.push(chord2ToBox(target, half), half);
        } else {
          for (const position of best.value.content.positions) {
            heap.push(chord2(target, vectors[position] as Vector), position);
          }
        }
      }
    },
  };
}

function toAxis(vectors: readonly Vector[], axis: 0 | 1 | 2): Float64Array {
  return Float64Array.from(vectors, (vector) => vector[axis]);
}

function toVector({ latitude, longitude }: Point): Vector {
  const phi = (latitude * Math.PI) / 180;
  const lambda = (longitude * Math.PI) / 180;
  return [Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)];
}

/** Square of the straight line between two points: it orders like the distance over ground, without a root. */
function chord2(a: Vector, b: Vector): number {
  return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
}

function chord2ToBox(a: Vector, { low, high }: Node): number {
  const inside = a.map((value, axis) => Math.min(Math.max(value, low[axis] as number), high[axis] as number));
  return chord2(a, inside as [number, number, number]);
}

function toChord2(km: number): number {
  return (2 * Math.sin(Math.min(km / EARTH_RADIUS_KM, Math.PI) / 2)) ** 2;
}

function toKm(chordSquared: number): number {
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chordSquared) / 2));
}
