import { appendToBlocks, type ByteBlock } from '@bascule/core';

/** How far one attempt has got: the block it is in, and how much of it the attempt has. Starts at 0 and 0. */
export interface ReplayCursor {
  index: number;
  offset: number;
}

/**
 * Request bytes of a call, kept so that other attempts can have them too, each with its own cursor. While `keeps` is true
 * nothing is thrown away; afterwards there is one attempt, and only what it has not got yet is held.
 */
export class ReplayBuffer {
  keeps = true;
  /** Bytes held. */
  size = 0;
  #blocks: ByteBlock[] = [];

  hasMore(at: ReplayCursor): boolean {
    const block = this.#blocks[at.index];
    return block !== undefined && (at.offset < block.length || at.index + 1 < this.#blocks.length);
  }

  /** Copies, since written bytes are only lent. */
  append(bytes: Uint8Array): void {
    appendToBlocks(this.#blocks, bytes, this.size);
    this.size += bytes.length;
  }

  /** Copies bytes that the attempt gets at this moment from elsewhere. Only when nothing else waits for it. */
  appendTaken(at: ReplayCursor, bytes: Uint8Array): void {
    if (!this.keeps) return;
    this.append(bytes);
    at.index = this.#blocks.length - 1;
    at.offset = this.#blocks[at.index]?.length ?? 0;
  }

  /** The next bytes for an attempt, at most `maxBytes`. Moves the cursor first: the taker may come back. */
  take(at: ReplayCursor, maxBytes: number): Uint8Array {
    this.#skipTaken(at);
    const { bytes, length } = this.#blocks[at.index] as ByteBlock;
    const from = at.offset;
    at.offset = Math.min(length, from + maxBytes);
    if (!this.keeps) this.#dropTaken(at);
    return bytes.subarray(from, Math.min(length, from + maxBytes));
  }

  /** From now on there is this attempt only; without one, the next that starts. */
  commit(at: ReplayCursor | undefined): void {
    this.keeps = false;
    if (at !== undefined) this.#dropTaken(at);
  }

  /** Lets go of everything. */
  clear(): void {
    this.keeps = false;
    this.#blocks = [];
    this.size = 0;
  }

  /** Goes on to the next block at the end of one. The last one may still grow. */
  #skipTaken(at: ReplayCursor): void {
    if (at.offset < (this.#blocks[at.index]?.length ?? 0)) return;
    at.index++;
    at.offset = 0;
  }

  #dropTaken(at: ReplayCursor): void {
    const block = this.#blocks[at.index];
    if (block !== undefined && at.offset === block.length) this.#skipTaken(at);
    if (at.index === 0) return;
    for (const taken of this.#blocks.splice(0, at.index)) this.size -= taken.length;
    at.index = 0;
  }
}
