import type { KeptBytes } from '@bascule/core';

/** Takes everything that is kept, in one piece that shares its memory with nothing. */
export function takeWhole(kept: KeptBytes): Uint8Array {
  const bytes = new Uint8Array(kept.size);
  let at = 0;
  for (const piece of kept.takeAll()) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
