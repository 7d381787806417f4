import { INITIAL_CREDIT_BYTES } from '@bascule/core';
import { isScarce, lendMessageBuffer, takeMessageBufferBack, type MessageBuffer } from '../codec/message-buffer.ts';
import { FLAG_COMPRESSED, PREFIX_BYTES } from './frame-reader.ts';

/** Gathered messages are written at this size, while they are still in the cache. */
const FULL_BYTES = 16_384;

/**
 * Gathers messages behind their prefixes, and writes many at once, within credit. The memory in which they are gathered is
 * lent: nothing is held between turns but what credit holds back.
 */
export class FrameWriter {
  private readonly sink: { write(bytes: Uint8Array): void };
  private credit = INITIAL_CREDIT_BYTES;
  /** Whole messages that nobody has seen yet; while a message is open, its beginning too. */
  private gathered: MessageBuffer | undefined;
  /** Where the open message begins, with its prefix. */
  private openAt = 0;
  /** What waits for credit. */
  private rest: Uint8Array | undefined;
  private isStopped = false;
  /** A grant that comes from inside a write only counts: the loop that writes goes on with it. */
  private isWriting = false;

  constructor(sink: { write(bytes: Uint8Array): void }) {
    this.sink = sink;
  }

  /** True when there is room for another message. */
  isIdle(): boolean {
    return this.rest === undefined;
  }

  /** Drops what has not left. */
  stop(): void {
    this.isStopped = true;
    this.rest = undefined;
    const { gathered } = this;
    this.gathered = undefined;
    if (gathered !== undefined) takeMessageBufferBack(gathered);
  }

  /** Begins a message, whose bytes are put behind those of the buffer. */
  open(): MessageBuffer {
    const out = (this.gathered ??= lendMessageBuffer());
    this.openAt = out.length;
    out.reserve(PREFIX_BYTES);
    out.length += PREFIX_BYTES;
    return out;
  }

  /** Bytes of the open message. */
  openBytes(): number {
    return this.gathered === undefined ? 0 : this.gathered.length - this.openAt - PREFIX_BYTES;
  }

  /** Ends the open message by taking it out again. Returns a copy of its bytes. */
  takeOpen(): Uint8Array {
    const { gathered, openAt } = this;
    if (gathered === undefined) return new Uint8Array(0);
    const bytes = new Uint8Array(gathered.bytes.subarray(openAt + PREFIX_BYTES, gathered.length));
    gathered.length = openAt;
    return bytes;
  }

  /** Ends the open message. */
  close(isCompressed: boolean): void {
    const { gathered, openAt } = this;
    if (gathered === undefined) return;
    gathered.bytes[openAt] = isCompressed ? FLAG_COMPRESSED : 0;
    gathered.view.setUint32(openAt + 1, gathered.length - openAt - PREFIX_BYTES);
    if (gathered.length >= FULL_BYTES || gathered.length > this.credit || isScarce()) this.flush();
  }

  /** Writes what is gathered, as far as there is credit. */
  flush(): void {
    const { gathered } = this;
    if (gathered === undefined) return;
    this.gathered = undefined;
    const left = this.write(gathered.bytes.subarray(0, gathered.length));
    if (left !== undefined) this.rest = gathered.isLarge() ? left : new Uint8Array(left);
    takeMessageBufferBack(gathered);
  }

  /** True when this let the last of the bytes go. */
  grant(bytes: number): boolean {
    this.credit += bytes;
    if (this.rest === undefined || this.isWriting) return false;
    this.rest = this.write(this.rest);
    return this.isIdle() && !this.isStopped;
  }

  /** Returns what there is no credit for. */
  private write(bytes: Uint8Array): Uint8Array | undefined {
    let left = bytes;
    this.isWriting = true;
    while (left.length > 0 && this.credit > 0 && !this.isStopped) {
      const chunk = left.length <= this.credit ? left : left.subarray(0, this.credit);
      left = left.subarray(chunk.length);
      this.credit -= chunk.length;
      this.sink.write(chunk);
    }
    this.isWriting = false;
    return this.isStopped || left.length === 0 ? undefined : left;
  }
}
