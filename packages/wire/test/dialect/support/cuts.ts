/** Bytes cut at arbitrary points, also into empty pieces; each is a copy, as wires lend them. */
export function cutAt(bytes: Uint8Array, points: readonly number[]): Uint8Array[] {
  const sorted = points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => Uint8Array.from(bytes.subarray(from, sorted[i] ?? bytes.length)));
}
