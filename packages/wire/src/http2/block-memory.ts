/** Larger blocks are not remembered. */
export const MAX_REMEMBERED_BYTES = 1024;

interface Slot<T> {
  readonly hash: number;
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly value: T;
}

/**
 * What header blocks came to, by their bytes: most heads and trailers repeat exactly. `version` is that of the dynamic
 * table where it was used, else 0: equal bytes mean equal fields only with an equal table. Bounded by its slots; a block
 * enters when it is seen for the second time in a row, since what is seen once is not worth a copy.
 */
export class BlockMemory<T> {
  readonly #slots: (Slot<T> | undefined)[];
  readonly #missed: Int32Array;
  readonly #mask: number;

  /** `slots` is a power of two. */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots });
    this.#missed = new Int32Array(slots);
    this.#mask = slots - 1;
  }

  get(hash: number, version: number, bytes: Buffer, start: number, end: number): T | undefined {
    const slot = this.#slots[hash & this.#mask];
    if (slot === undefined || slot.hash !== hash || slot.version !== version) return undefined;
    // All bytes are compared: a peer that finds equal hashes must not get another's fields.
    return isSame(slot.bytes, bytes, start, end) ? slot.value : undefined;
  }

  /** Takes what `bytes[start..end)` came to; `key` is its hash and the table's version. */
  put(key: BlockKey, bytes: Buffer, start: number, end: number, value: T): void {
    const { hash, version } = key;
    const at = hash & this.#mask;
    // Of all bytes: blocks that differ in one value must not be copied again and again.
    const whole = fnv(bytes, start, end);
    if (this.#missed[at] === whole) {
      this.#slots[at] = { hash, version, bytes: Uint8Array.prototype.slice.call(bytes, start, end), value };
    }
    this.#missed[at] = whole;
  }
}

/** Blocks up to this are compared byte by byte: a call into the engine costs as much as comparing a hundred of them. */
const SHORT_BYTES = 96;

function isSame(known: Uint8Array, bytes: Buffer, start: number, end: number): boolean {
  const { length } = known;
  if (length !== end - start) return false;
  if (length > SHORT_BYTES) return bytes.compare(known, 0, length, start, end) === 0;
  for (let i = 0; i < length; i++) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}

export interface BlockKey {
  readonly hash: number;
  readonly version: number;
}

const FNV_PRIME = 0x0100_0193;

function fnv(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  return hash | 0;
}

/** Every byte of a short block counts, one in four of what is longer: equal hashes cost a comparison, no more. */
const DENSE_BYTES = 64;

/** A hash of `bytes[start..end)`. */
export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5 ^ (end - start);
  const sparse = Math.min(end, start + DENSE_BYTES);
  let at = start;
  for (; at < sparse; at++) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  for (; at < end; at += 4) hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
  // The low bits of the product hang on the low bits of the input alone.
  return hash ^ (hash >>> 15);
}
