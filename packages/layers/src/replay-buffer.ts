/**
 * Request bytes of a call, kept so that another attempt can have them too. A cursor tells what the current attempt has
 * got. While `keeps` is true nothing is thrown away; afterwards only what the attempt has not got yet is held.
 */
export class ReplayBuffer {
  keeps = true;
  /** Bytes held. */
  size = 0;
  #chunks: Uint8Array[] = [];
  /** Chunks that the current attempt has got whole, and how much of the next one. */
  #index = 0;
  #offset = 0;

  hasMore(): boolean {
    return this.#index < this.#chunks.length;
  }

  /** Copies, since written bytes are only lent. */
  append(bytes: Uint8Array): void {
    this.#chunks.push(new Uint8Array(bytes));
    this.size += bytes.length;
  }

  /** Copies bytes that the current attempt gets at this moment from elsewhere. Only when nothing else waits. */
  appendTaken(bytes: Uint8Array): void {
    if (!this.keeps) return;
    this.append(bytes);
    this.#index++;
  }

  /** The next bytes for the current attempt, at most `maxBytes`. Moves the cursor first: the taker may come back. */
  take(maxBytes: number): Uint8Array {
    const chunk = this.#chunks[this.#index] as Uint8Array;
    const from = this.#offset;
    const bytes = from === 0 && chunk.length <= maxBytes ? chunk : chunk.subarray(from, from + maxBytes);
    this.#offset += bytes.length;
    if (this.#offset === chunk.length) {
      this.#index++;
      this.#offset = 0;
      if (!this.keeps) this.#dropTaken();
    }
    return bytes;
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
    this.#chunks = [];
    this.size = 0;
    this.rewind();
  }

  #dropTaken(): void {
    for (const chunk of this.#chunks.splice(0, this.#index)) this.size -= chunk.length;
    this.#index = 0;
  }
}
