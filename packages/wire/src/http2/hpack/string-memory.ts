interface Slot {
  readonly hash: number;
  readonly coded: boolean;
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Longer strings are made anew: comparing them costs as much. */
export const MAX_REMEMBERED_STRING_BYTES = 64;
/** A power of two. */
const SLOTS = 512;

/**
 * Strings of header blocks by their bytes on the wire: names repeat from block to block, and so do most short values,
 * while making a string costs a call into the engine. Bounded by its slots; a string enters when it is seen for the
 * second time in a row.
 */
export class StringMemory {
  readonly #slots: (Slot | undefined)[] = Array.from({ length: SLOTS });
  readonly #missed = new Int32Array(SLOTS);
  #hash = 0;

  find(bytes: Uint8Array, start: number, end: number, coded: boolean): string | undefined {
    let hash = 0x811c_9dc5;
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
    hash ^= hash >>> 15;
    this.#hash = hash;
    const slot = this.#slots[hash & (SLOTS - 1)];
    if (slot === undefined || slot.hash !== hash || slot.coded !== coded) return undefined;
    const known = slot.bytes;
    if (known.length !== end - start) return undefined;
    // All bytes are compared: a peer that finds equal hashes must not get another's string.
    for (let i = 0; i < known.length; i++) {
      if (known[i] !== bytes[start + i]) return undefined;
    }
    return slot.text;
  }

  /** Takes what the bytes that were looked for last came to. */
  remember(bytes: Uint8Array, coded: boolean, text: string): void {
    const hash = this.#hash;
    const at = hash & (SLOTS - 1);
    if (this.#missed[at] === hash) this.#slots[at] = { hash, coded, bytes: new Uint8Array(bytes), text };
    this.#missed[at] = hash;
  }
}
