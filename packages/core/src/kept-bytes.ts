/** Blocks grow with what is kept, up to this; larger pieces get a block of their own size. */
const MAX_GROWN_BYTES = 16_384;

/** Pieces up to this are cut from a slab: memory of their own costs several times as much as the bytes in it. */
const MAX_CUT_BYTES = 512;
/** Lives as long as any piece of it: small, since one call that waits for long may hold a whole one. */
const SLAB_BYTES = 8_192;

let slab = new Uint8Array(SLAB_BYTES);
let slabAt = 0;

/** Room for bytes, filled up to `length`. */
export interface ByteBlock {
  readonly bytes: Uint8Array;
  length: number;
}

/**
 * Copies bytes to the end of `blocks`, which hold `keptBytes` so far. Small pieces share blocks: an array for each of
 * them costs over two hundred bytes, and a peer that sends single bytes would fill the memory far below any limit.
 */
export function appendToBlocks(blocks: ByteBlock[], bytes: Uint8Array, keptBytes: number): void {
  const last = blocks.at(-1);
  if (last === undefined || last.bytes.length - last.length < bytes.length) {
    blocks.push(createBlock(bytes, keptBytes));
    return;
  }
  last.bytes.set(bytes, last.length);
  last.length += bytes.length;
}

/** The first block is exact: most calls have no second. */
function createBlock(bytes: Uint8Array, keptBytes: number): ByteBlock {
  const capacity = Math.max(bytes.length, Math.min(keptBytes, MAX_GROWN_BYTES));
  if (capacity <= MAX_CUT_BYTES) return { bytes: cut(bytes, capacity), length: bytes.length };
  // Not slice(): of a Buffer that is a view.
  if (capacity === bytes.length) return { bytes: new Uint8Array(bytes), length: capacity };
  const block = new Uint8Array(capacity);
  block.set(bytes);
  return { bytes: block, length: bytes.length };
}

function cut(bytes: Uint8Array, capacity: number): Uint8Array {
  if (slabAt + capacity > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    slabAt = 0;
  }
  // Not subarray(), which takes longer than the rest.
  const piece = new Uint8Array(slab.buffer, slabAt, capacity);
  slabAt += capacity;
  piece.set(bytes);
  return piece;
}

/** Bytes kept for later, copied, since written bytes are only lent. */
export class KeptBytes {
  size = 0;
  #blocks: ByteBlock[] = [];

  append(bytes: Uint8Array): void {
    appendToBlocks(this.#blocks, bytes, this.size);
    this.size += bytes.length;
  }

  /** Lets go of everything and gives it, in order and in few pieces. */
  takeAll(): Uint8Array[] {
    const blocks = this.#blocks;
    this.clear();
    return blocks.map(({ bytes, length }) => (bytes.length === length ? bytes : bytes.subarray(0, length)));
  }

  clear(): void {
    this.#blocks = [];
    this.size = 0;
  }
}
