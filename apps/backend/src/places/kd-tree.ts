/** Nodes with no more points than this are not split. */
const LEAF_POINTS = 16;

export type Vector = readonly [number, number, number];

/** Some of the points, and the smallest box around them. */
export interface Node {
  readonly low: Vector;
  readonly high: Vector;
  readonly content: { readonly positions: Uint32Array } | { readonly halves: readonly [Node, Node] };
}

/** Builds a tree over points given as one list of coordinates per axis. */
export function createTree(axes: readonly [Float64Array, Float64Array, Float64Array]): Node {
  return createNode(
    axes,
    Uint32Array.from(axes[0], (_, position) => position),
  );
}

function createNode(axes: readonly [Float64Array, Float64Array, Float64Array], positions: Uint32Array): Node {
  const [x, y, z] = axes.map((axis) => rangeOf(axis, positions)) as [Range, Range, Range];
  const box = { low: [x.low, y.low, z.low] as const, high: [x.high, y.high, z.high] as const };
  if (positions.length <= LEAF_POINTS) return { ...box, content: { positions } };
  const widths = [x, y, z].map(({ low, high }) => high - low);
  const axis = axes[widths.indexOf(Math.max(...widths))] as Float64Array;
  const middle = positions.length >> 1;
  partition(positions, axis, middle);
  const halves = [positions.subarray(0, middle), positions.subarray(middle)] as const;
  return { ...box, content: { halves: [createNode(axes, halves[0]), createNode(axes, halves[1])] } };
}

interface Range {
  low: number;
  high: number;
}

function rangeOf(axis: Float64Array, positions: Uint32Array): Range {
  const range = { low: Infinity, high: -Infinity };
  for (const position of positions) {
    const value = axis[position] as number;
    if (value < range.low) range.low = value;
    if (value > range.high) range.high = value;
  }
  return range;
}

/** Puts the `middle` lowest positions by `axis` in front: Hoare's quickselect, since sorting each level takes a second. */
function partition(positions: Uint32Array, axis: Float64Array, middle: number): void {
  const valueAt = (i: number): number => axis[positions[i] as number] as number;
  let left = 0;
  let right = positions.length - 1;
  while (left < right) {
    const pivot = valueAt((left + right) >> 1);
    let i = left;
    let j = right;
    while (i <= j) {
      while (valueAt(i) < pivot) i++;
      while (valueAt(j) > pivot) j--;
      if (i > j) break;
      [positions[i], positions[j]] = [positions[j] as number, positions[i] as number];
      i++;
      j--;
    }
    if (j < middle) left = i;
    if (middle < i) right = j;
  }
}
