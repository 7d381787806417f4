import { appendToBlocks, type ByteBlock } from '@bascule/core';

/**
 * Request bytes of a call, kept so that another attempt can have them too. A cursor tells what the current attempt has
 * got. While `keeps` is true nothing is thrown away; afterwards only what the attempt has not got yet is held.
 */
export class ReplayBuffer {
  keeps = true;
  /** Bytes held. */
  size = 0;
  #blocks: ByteBlock[] = [];
  /** The block that the current attempt is in, and how much of it the attempt has got. */
  #index = 0;
  #offset = 0;

  hasMore(): boolean {
    const block = this.#blocks[this.#index];
    return block !== undefined && (this.#offset < block.length || this.#index + 1 < this.#blocks.length);
  }

  /** Copies, since written bytes are only lent. */
  append(bytes: Uint8Array): void {
    appendToBlocks(this.#blocks, bytes, this.size);
    this.size += bytes.length;
  }

  /** Copies bytes that the current attempt gets at this moment from elsewhere. Only when nothing else waits. */
  appendTaken(bytes: Uint8Array): void {
    if (!this.keeps) return;
    this.append(bytes);
    this.#index = this.#blocks.length - 1;
    this.#offset = this.#blocks[this.#index]?.length ?? 0;
  }

  /** The next bytes for the current attempt, at most `maxBytes`. Moves the cursor first: the taker may come back. */
  take(maxBytes: number): Uint8Array {
    this.#skipTaken();
    const { bytes, length } = this.#blocks[this.#index] as ByteBlock;
    const from = this.#offset;
    this.#offset = Math.min(length, from + maxBytes);
    if (!this.keeps) this.#dropTaken();
    return bytes.subarray(from, Math.min(length, from + maxBytes));
  }

  /** For another attempt: everything again. */
  rewind(): void {
    this.#index = 0;
    this.#offset = 0;
  }

  /** From now on there is no way back. */
  commit(): void {
    this.keeps = false;
    this.#dropTaken();
  }

  /** Lets go of everything. */
  clear(): void {
    this.keeps = false;
    this.#blocks = [];
    this.size = 0;
    this.rewind();
  }

  /** Goes on to the next block at the end of one. The last one may still grow. */
  #skipTaken(): void {
    if (this.#offset < (this.#blocks[this.#index]?.length ?? 0)) return;
    this.#index++;
    this.#offset = 0;
  }

  #dropTaken(): void {
    const block = this.#blocks[this.#index];
    if (block !== undefined && this.#offset === block.length) this.#skipTaken();
    for (const taken of this.#blocks.splice(0, this.#index)) this.size -= taken.length;
    this.#index = 0;
  }
}
