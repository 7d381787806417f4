import { JuteError } from './jute-reader.ts';

/** Eight times what servers take by default; the names of 100,000 children are about half of it. */
const MAX_FRAME_BYTES = 8 * 1024 * 1024;

/** Cuts what arrives into frames: four bytes of length, then as many. */
export class FrameReader {
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** The frames that are whole now. They may be views of the chunk. Throws JuteError. */
  push(chunk: Uint8Array): Uint8Array[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Uint8Array[] = [];
    for (let needed = this.#needed(); needed !== undefined && needed <= this.#length; needed = this.#needed()) {
      const bytes = this.#join();
      frames.push(bytes.subarray(4, needed));
      this.#chunks = needed < bytes.length ? [bytes.subarray(needed)] : [];
      this.#length -= needed;
    }
    return frames;
  }

  /** Bytes of the frame that is under way, its length included. */
  #needed(): number | undefined {
    if (this.#length < 4) return undefined;
    if ((this.#chunks[0] as Uint8Array).length < 4) this.#join();
    const first = this.#chunks[0] as Uint8Array;
    const length = new DataView(first.buffer, first.byteOffset).getInt32(0);
    if (length >= 0 && length <= MAX_FRAME_BYTES) return 4 + length;
    throw new JuteError(`a frame of ${length} bytes is not ZooKeeper's: ${MAX_FRAME_BYTES} are the most`);
  }

  /** Only once per frame: a large one arrives in many chunks. */
  #join(): Uint8Array {
    const [only] = this.#chunks;
    if (only !== undefined && this.#chunks.length === 1) return only;
    const joined = Buffer.concat(this.#chunks);
    this.#chunks = [joined];
    return joined;
  }
}
