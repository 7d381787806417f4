/** Capacity to start with: as much as streams gather before they write. */
const START_BYTES = 32_768;
/** A larger one is left to the collector. */
const LARGE_BYTES = 262_144;
/** All buffers that are kept for later, together. */
const MAX_KEPT_BYTES = 2 * 1024 * 1024;
/** Most calls need a buffer only while they write; streams gather in theirs for a moment, unless there are more than these. */
const MAX_GATHERING = 64;
/** Shorter texts are copied by a loop, which costs less than asking the system. */
const SHORT_TEXT_CHARS = 16;

/** Bytes of messages in the making. Grows; what is written stays where it is, views of it do not. */
export class MessageBuffer {
  bytes = Buffer.allocUnsafeSlow(START_BYTES);
  view = new DataView(this.bytes.buffer);
  length = 0;

  /** Whether it is given up after its use. */
  isLarge(): boolean {
    return this.bytes.length > LARGE_BYTES;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A varint of 32 bits; `value` is an unsigned integer. */
  varint(value: number): void {
    this.reserve(5);
    if (value < 0x80) {
      this.bytes[this.length++] = value;
      return;
    }
    this.length = putVarint(this.bytes, this.length, value);
  }

  /** A varint of 64 bits, given as two halves of any sign. */
  varint64(low: number, high: number): void {
    this.reserve(10);
    const { bytes } = this;
    let at = this.length;
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi > 0 || lo > 0x7f) {
      bytes[at++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    bytes[at++] = lo;
    this.length = at;
  }

  /** UTF-8 behind its length. Halves of surrogate pairs become U+FFFD, as with TextEncoder. */
  text(value: string): void {
    const chars = value.length;
    // A code unit takes up to three bytes.
    this.reserve(chars * 3 + 5);
    if (chars <= SHORT_TEXT_CHARS && this.#shortText(value)) return;
    const { bytes, length: at } = this;
    const guessed = varintBytes(chars);
    const count = bytes.write(value, at + guessed);
    const size = varintBytes(count);
    if (size !== guessed) bytes.copyWithin(at + size, at + guessed, at + guessed + count);
    this.length = putVarint(bytes, at, count) + count;
  }

  /** Leaves room for the length of what follows, which takes one byte for most. Returns what {@link finish} wants. */
  begin(): number {
    this.reserve(1);
    return this.length++;
  }

  /** Says the length of what was written since {@link begin}. */
  finish(at: number): void {
    const count = this.length - at - 1;
    const size = varintBytes(count);
    if (size > 1) {
      this.reserve(size);
      this.bytes.copyWithin(at + size, at + 1, this.length);
    }
    this.length = putVarint(this.bytes, at, count) + count;
  }

  #shortText(value: string): boolean {
    const { bytes, length: at } = this;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[at + 1 + i] = code;
    }
    bytes[at] = value.length;
    this.length = at + 1 + value.length;
    return true;
  }
}

/** Returns where it ends. */
function putVarint(bytes: Uint8Array, from: number, value: number): number {
  let at = from;
  let left = value;
  while (left > 0x7f) {
    bytes[at++] = (left & 0x7f) | 0x80;
    left >>>= 7;
  }
  bytes[at++] = left;
  return at;
}

function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

const kept: MessageBuffer[] = [];
let keptBytes = 0;
let lent = 0;

/** An empty buffer of this thread. */
export function lendMessageBuffer(): MessageBuffer {
  lent += 1;
  const buffer = kept.pop();
  if (buffer === undefined) return new MessageBuffer();
  keptBytes -= buffer.bytes.length;
  return buffer;
}

/** Takes a buffer back that nobody reads any more. */
export function takeMessageBufferBack(buffer: MessageBuffer): void {
  lent -= 1;
  if (buffer.isLarge() || keptBytes + buffer.bytes.length > MAX_KEPT_BYTES) return;
  buffer.length = 0;
  keptBytes += buffer.bytes.length;
  kept.push(buffer);
}

/** Whether so many are lent that nobody should gather in one any longer, as when thousands of streams hear one word. */
export function isScarce(): boolean {
  return lent > MAX_GATHERING;
}
