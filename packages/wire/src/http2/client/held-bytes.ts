import { ByteBuffer } from '../byte-buffer.ts';

/** Response bytes that came before the caller's credit for them: as many as a window has grown beyond it. */
export class HeldBytes {
  readonly #bytes: ByteBuffer;
  #at = 0;
  /** While bytes are lent: no others may overtake them. */
  isLent = false;

  constructor(capacityBytes: number) {
    this.#bytes = new ByteBuffer(capacityBytes);
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  add(bytes: Uint8Array): void {
    // What has been taken must not stay in memory as long as something waits.
    if (!this.isLent && this.#at * 2 > this.#bytes.length) {
      this.#bytes.dropFront(this.#at);
      this.#at = 0;
    }
    this.#bytes.append(bytes);
  }

  /** Takes the oldest bytes, `maxBytes` at most; lent until something is added. */
  take(maxBytes: number): Uint8Array {
    const from = this.#at;
    this.#at = Math.min(this.#bytes.length, from + maxBytes);
    return this.#bytes.bytes.subarray(from, this.#at);
  }
}
