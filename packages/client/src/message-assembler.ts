import { PREFIX_BYTES } from '@bascule/wire';

/** A peer that only announces a large message gets no more memory than this for it. */
const FIRST_BYTES = 65_536;
const NO_BYTES = new Uint8Array(0);

/** Takes messages; false stops the reading. */
export interface MessageSink {
  onMessage(flags: number, message: Uint8Array): boolean;
  /** The prefix announces a message of `bytes`, which is above the limit. */
  onTooLarge(bytes: number): void;
}

/** Puts messages together from bytes that come cut anywhere. Messages are copies: the bytes are only lent. */
export class MessageAssembler {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  #prefixRead = 0;
  #flags = 0;
  #length = 0;
  #message: Uint8Array = NO_BYTES;
  #filled = 0;

  constructor(sink: MessageSink, maxBytes: number) {
    this.#sink = sink;
    this.#maxBytes = maxBytes;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#prefixRead < PREFIX_BYTES) {
        at = this.#readPrefix(bytes, at);
        if (this.#prefixRead < PREFIX_BYTES) return;
        if (this.#length > this.#maxBytes) return this.#sink.onTooLarge(this.#length);
      }
      at = this.#fill(bytes, at);
      if (this.#isWhole() && !this.#pass()) return;
    }
  }

  #isWhole(): boolean {
    return this.#prefixRead === PREFIX_BYTES && this.#filled === this.#length;
  }

  #readPrefix(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#prefixRead < PREFIX_BYTES) {
      const byte = bytes[at++] as number;
      if (this.#prefixRead++ === 0) this.#flags = byte;
      // Not shifted: 0xFFFFFFFF must not turn negative and pass the limit.
      else this.#length = this.#length * 256 + byte;
    }
    return at;
  }

  #fill(bytes: Uint8Array, from: number): number {
    const count = Math.min(bytes.length - from, this.#length - this.#filled);
    this.#reserve(this.#filled + count);
    copyBytes(bytes, from, this.#message, this.#filled, count);
    this.#filled += count;
    return from + count;
  }

  #reserve(size: number): void {
    if (size <= this.#message.length) return;
    const room = Math.min(this.#length, Math.max(size, FIRST_BYTES, this.#message.length * 2));
    const grown = new Uint8Array(room);
    grown.set(this.#message.subarray(0, this.#filled));
    this.#message = grown;
  }

  #pass(): boolean {
    const message = this.#message;
    const flags = this.#flags;
    this.#prefixRead = 0;
    this.#length = 0;
    this.#message = NO_BYTES;
    this.#filled = 0;
    return this.#sink.onMessage(flags, message);
  }
}

/** A loop beats a native call for the short messages that most are. */
function copyBytes(from: Uint8Array, start: number, to: Uint8Array, at: number, count: number): void {
  if (count > 48) {
    to.set(from.subarray(start, start + count), at);
    return;
  }
  for (let i = 0; i < count; i++) to[at + i] = from[start + i] as number;
}
