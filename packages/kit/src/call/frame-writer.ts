import { INITIAL_CREDIT_BYTES } from '@bascule/core';
import { FLAG_COMPRESSED, PREFIX_BYTES } from './frame-reader.ts';

/** Frames up to this size are put together in memory that all calls share: bytes are lent only while they are written. */
const SCRATCH_BYTES = 16_384;
const scratch = new Uint8Array(SCRATCH_BYTES);
/** A reader may start another call while it is being written to. */
let scratchBusy = false;

/** Writes messages with their prefixes, within credit. One message at a time: the next when all of it has left. */
export class FrameWriter {
  private readonly sink: { write(bytes: Uint8Array): void };
  private credit = INITIAL_CREDIT_BYTES;
  private rest: Uint8Array | undefined;
  private isStopped = false;
  /** A grant that comes from inside a write only counts: the loop that writes goes on with it. */
  private isWriting = false;

  constructor(sink: { write(bytes: Uint8Array): void }) {
    this.sink = sink;
  }

  /** True when all bytes have left. */
  isIdle(): boolean {
    return this.rest === undefined;
  }

  /** Drops what has not left. */
  stop(): void {
    this.isStopped = true;
    this.rest = undefined;
  }

  /** Writes one message, as far as there is room. */
  frame(message: Uint8Array, isCompressed: boolean): void {
    const length = PREFIX_BYTES + message.length;
    if (length > SCRATCH_BYTES || scratchBusy || length > this.credit) {
      this.rest = putFrame(new Uint8Array(length), message, isCompressed);
      this.flush();
      return;
    }
    this.credit -= length;
    scratchBusy = true;
    try {
      this.isWriting = true;
      this.sink.write(putFrame(scratch.subarray(0, length), message, isCompressed));
    } finally {
      scratchBusy = this.isWriting = false;
    }
  }

  /** True when this let the last of the bytes go. */
  grant(bytes: number): boolean {
    this.credit += bytes;
    if (this.rest === undefined || this.isWriting) return false;
    this.flush();
    return this.isIdle() && !this.isStopped;
  }

  private flush(): void {
    this.isWriting = true;
    while (this.rest !== undefined && this.credit > 0) {
      const chunk = this.rest.subarray(0, this.credit);
      this.credit -= chunk.length;
      this.rest = chunk.length === this.rest.length ? undefined : this.rest.subarray(chunk.length);
      this.sink.write(chunk);
    }
    this.isWriting = false;
  }
}

function putFrame(target: Uint8Array, message: Uint8Array, isCompressed: boolean): Uint8Array {
  const { length } = message;
  target[0] = isCompressed ? FLAG_COMPRESSED : 0;
  target[1] = length >>> 24;
  target[2] = length >>> 16;
  target[3] = length >>> 8;
  target[4] = length;
  target.set(message, PREFIX_BYTES);
  return target;
}
