const SLAB_BYTES = 16_384;
/** Larger copies get an array of their own: they would use a slab up, and keep all of it alive. */
const MAX_SHARED_BYTES = 2_048;

let slab = new Uint8Array(SLAB_BYTES);
let used = 0;

/**
 * A copy of lent bytes. Small ones share memory, as Node's own small buffers do: an array buffer for each costs more
 * than copying into it. Plain Uint8Arrays, since handlers see them as fields of type `bytes`.
 */
export function copyBytes(bytes: Uint8Array, from: number, length: number): Uint8Array {
  const part = bytes.subarray(from, from + length);
  // Not slice(): of a Buffer that is a view.
  if (length > MAX_SHARED_BYTES) return new Uint8Array(part);
  if (used + length > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  slab.set(part, used);
  const copy = slab.subarray(used, used + length);
  used += length;
  return copy;
}
