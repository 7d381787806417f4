import { lendBuffer, takeBack } from '../buffers.ts';
import type { ByteBuffer } from '../byte-buffer.ts';

/** Up to here bytes share a block: one that grows to a whole window is copied over and over. */
const BLOCK_BYTES = 65_536;

/** Response bytes that came before the caller's credit for them: as many as a window has grown beyond it. */
export class HeldBytes {
  readonly #blocks: ByteBuffer[] = [];
  /** What of the first block has been taken. */
  #at = 0;
  /** While bytes are lent: no others may overtake them. */
  isLent = false;

  get isEmpty(): boolean {
    const first = this.#blocks[0];
    return first === undefined || (this.#blocks.length === 1 && this.#at === first.length);
  }

  add(bytes: Uint8Array): void {
    let last = this.#blocks.at(-1);
    if (last === undefined || last.length + bytes.length > BLOCK_BYTES) {
      last = lendBuffer();
      this.#blocks.push(last);
    }
    last.append(bytes);
  }

  /** Takes the oldest bytes, `maxBytes` at most; lent until the next are taken. Not while it is empty. */
  take(maxBytes: number): Uint8Array {
    let first = this.#blocks[0] as ByteBuffer;
    if (this.#at === first.length) {
      takeBack(this.#blocks.shift());
      this.#at = 0;
      first = this.#blocks[0] as ByteBuffer;
    }
    const from = this.#at;
    this.#at = Math.min(first.length, from + maxBytes);
    return first.bytes.subarray(from, this.#at);
  }

  /** Gives the memory back once all has been taken. */
  free(): void {
    for (const block of this.#blocks) takeBack(block);
    this.#blocks.length = 0;
    this.#at = 0;
  }
}
