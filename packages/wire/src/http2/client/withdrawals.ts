import { FRAME_HEADER_BYTES, FrameType, MAX_31_BITS, readUint32 } from '../frames.ts';
import type { Outbox } from '../outbox.ts';

/**
 * Calls that were given up in the turn in which they were begun. Their frames have not left and are cut out of the turn's
 * bytes, so that who opens and cancels calls without end costs the backend nothing (CVE-2023-44487).
 */
export class Withdrawals {
  readonly #outbox: Outbox;
  readonly #ids = new Set<number>();
  /** No frame of a withdrawn call stands before this. */
  #fromAt = Infinity;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  /** All frames of a stream, of which HEADERS stand at `at`, are not to leave. */
  add(streamId: number, at: number): void {
    this.#ids.add(streamId);
    this.#fromAt = Math.min(this.#fromAt, at);
  }

  /** Cuts the frames out. The last thing in a turn: it moves what stands behind them. */
  cut(): void {
    if (this.#ids.size === 0) return;
    const out = this.#outbox.bytes;
    const { bytes } = out;
    let to = this.#fromAt;
    for (let at = this.#fromAt; at < out.length;) {
      const size = FRAME_HEADER_BYTES + bytes.readUIntBE(at, 3);
      if (this.#ids.has(readUint32(bytes, at + 5) & MAX_31_BITS)) {
        if (bytes[at + 3] !== FrameType.continuation) this.#outbox.callFrames -= 1;
      } else {
        if (to !== at) bytes.copyWithin(to, at, at + size);
        to += size;
      }
      at += size;
    }
    out.length = to;
    this.#ids.clear();
    this.#fromAt = Infinity;
  }
}
