import { ConnectionFault, ErrorCode } from './errors.ts';

/** Frame types. Source: RFC 9113, section 6. */
export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Frame flags; `ack` and `endStream` share a bit on different types. */
export const Flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const FRAME_HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE before any SETTINGS, and the smallest allowed. We announce no other. */
export const DEFAULT_MAX_FRAME_BYTES = 16_384;
/** Largest stream id, window and window increment. */
export const MAX_31_BITS = 0x7fff_ffff;
/** What a client sends first. Source: RFC 9113, 3.4. */
export const CLIENT_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** One frame inside a read buffer. The reader reuses the object: whoever keeps something copies it. */
export interface Frame {
  type: number;
  flags: number;
  streamId: number;
  bytes: Buffer;
  /** The payload is `bytes[start..end)`. */
  start: number;
  end: number;
}

/** Unsigned 32 bits, big endian. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Type and flags in one number, for {@link writeFrameHeader}. */
export function frameKind(type: number, flags: number): number {
  return (type << 8) | flags;
}

export function writeFrameHeader(bytes: Uint8Array, at: number, kind: number, streamId: number, length: number): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = kind >>> 8;
  bytes[at + 4] = kind;
  writeUint32(bytes, at + 5, streamId);
}

/**
 * Cuts reads into frames. Frames that lie whole in a read are handed on in place; only one that straddles two reads is
 * copied, so at most one frame is held.
 */
export class FrameReader {
  readonly #frame: Frame = { type: 0, flags: 0, streamId: 0, bytes: Buffer.alloc(0), start: 0, end: 0 };
  readonly #maxFrameBytes: number;
  readonly #onFrame: (frame: Frame) => boolean;
  #carry: Buffer | undefined;
  #held = 0;

  /** `onFrame` returns false to stop reading for good. */
  constructor(maxFrameBytes: number, onFrame: (frame: Frame) => boolean) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#onFrame = onFrame;
  }

  /** Frames read so far. */
  count = 0;

  /** True while a frame other than DATA has come in part: those are short, and only who wants to wait breaks one off. */
  get isInShortFrame(): boolean {
    return this.#held > 0 && (this.#held < 4 || this.#carry?.[3] !== FrameType.data);
  }

  /** Bytes held of a frame that has not come whole. */
  heldBytes(): number {
    return this.#held;
  }

  /** Gives up the memory that only speed needs. */
  trim(): void {
    if (this.#held === 0) this.#carry = undefined;
  }

  /** Reads `bytes[0..length)`. Throws {@link ConnectionFault} for a frame that is too large. */
  read(bytes: Buffer, length: number): void {
    let at = 0;
    if (this.#held > 0) {
      at = this.#hold(bytes, at, length, FRAME_HEADER_BYTES);
      if (this.#held < FRAME_HEADER_BYTES) return;
      const carry = this.#carry as Buffer;
      const size = FRAME_HEADER_BYTES + this.#lengthAt(carry, 0);
      at = this.#hold(bytes, at, length, size);
      if (this.#held < size) return;
      this.#held = 0;
      if (!this.#emit(carry, 0, size)) return;
    }
    while (length - at >= FRAME_HEADER_BYTES) {
      const size = FRAME_HEADER_BYTES + this.#lengthAt(bytes, at);
      if (length - at < size) break;
      if (!this.#emit(bytes, at, size)) return;
      at += size;
    }
    if (at < length) this.#hold(bytes, at, length, FRAME_HEADER_BYTES + this.#maxFrameBytes);
  }

  /** Copies until `size` bytes are held; returns where it stopped reading. */
  #hold(bytes: Buffer, at: number, length: number, size: number): number {
    this.#carry ??= Buffer.allocUnsafeSlow(FRAME_HEADER_BYTES + this.#maxFrameBytes);
    const count = Math.min(size - this.#held, length - at);
    if (count <= 0) return at;
    bytes.copy(this.#carry, this.#held, at, at + count);
    this.#held += count;
    return at + count;
  }

  #lengthAt(bytes: Buffer, at: number): number {
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (length > this.#maxFrameBytes) {
      throw new ConnectionFault(ErrorCode.frameSizeError, `a frame of ${length} bytes, allowed ${this.#maxFrameBytes}`);
    }
    return length;
  }

  #emit(bytes: Buffer, at: number, size: number): boolean {
    const frame = this.#frame;
    this.count += 1;
    frame.type = bytes[at + 3] as number;
    frame.flags = bytes[at + 4] as number;
    frame.streamId = readUint32(bytes, at + 5) & MAX_31_BITS;
    frame.bytes = bytes;
    frame.start = at + FRAME_HEADER_BYTES;
    frame.end = at + size;
    return this.#onFrame(frame);
  }
}
