import { NO_FIELDS, type Fields } from '@bascule/core';
import { FrameType, MAX_NUMBER } from './frames.ts';

/** What OPEN says. */
export interface OpenFrame {
  readonly id: number;
  /** Place in {@link CODECS}; not checked. */
  readonly codec: number;
  /** 0 is none. */
  readonly timeoutMs: number;
  readonly path: string;
  /** Empty when there are more than allowed. */
  readonly fields: Fields;
  /** Pairs that were sent. */
  readonly pairs: number;
  /** Of the whole frame. */
  readonly bytes: number;
}

/** Who takes a caller's frames. Each says false when the rest of the message is not to be read. */
export interface FrameTaker {
  open(frame: OpenFrame): boolean;
  /** `bytes` are lent. */
  data(id: number, bytes: Uint8Array): boolean;
  end(id: number): boolean;
  grant(id: number, bytes: number): boolean;
  cancel(id: number): boolean;
}

/** Thrown and caught in this file only: a message ends in the middle of a frame, or holds what no frame holds. */
const MALFORMED = Symbol('malformed');

/** Reads a caller's frames out of WebSocket messages. Holds no bytes: a frame never spans two messages. */
export class FrameReader {
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private readonly taker: FrameTaker;
  private readonly maxPairs: number;

  constructor(taker: FrameTaker, maxPairs: number) {
    this.taker = taker;
    this.maxPairs = maxPairs;
  }

  /** False when the message is malformed; frames before the fault have been taken. */
  read(message: Buffer): boolean {
    this.bytes = message;
    this.at = 0;
    try {
      // A message without frames is not what a client sends; taken for nothing it would be a flood for free.
      do {
        if (!this.readFrame()) return true;
      } while (this.at < message.length);
      return true;
    } catch (error) {
      if (error === MALFORMED) return false;
      throw error;
    }
  }

  private readFrame(): boolean {
    const start = this.at;
    const type = this.byte();
    const id = this.number();
    if (id === 0) throw MALFORMED;
    switch (type) {
      case FrameType.open:
        return this.taker.open(this.readOpen(id, start));
      case FrameType.data: {
        const length = this.number();
        if (length === 0) throw MALFORMED;
        return this.taker.data(id, this.piece(length));
      }
      case FrameType.end:
        return this.taker.end(id);
      case FrameType.grant: {
        const credit = this.number();
        if (credit === 0) throw MALFORMED;
        return this.taker.grant(id, credit);
      }
      case FrameType.cancel:
        return this.taker.cancel(id);
      default:
        throw MALFORMED;
    }
  }

  private readOpen(id: number, start: number): OpenFrame {
    const codec = this.byte();
    const timeoutMs = this.number();
    const path = this.text();
    const pairs = this.number();
    const fields = pairs > this.maxPairs ? this.skipFields(pairs) : this.readFields(pairs);
    return { id, codec, timeoutMs, path, fields, pairs, bytes: this.at - start };
  }

  private readFields(pairs: number): Fields {
    const fields: string[] = [];
    for (let i = pairs * 2; i > 0; i--) fields.push(this.text());
    return fields;
  }

  private skipFields(pairs: number): Fields {
    for (let i = pairs * 2; i > 0; i--) this.piece(this.number());
    return NO_FIELDS;
  }

  private byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw MALFORMED;
    return value;
  }

  /** Seven bits a byte, low ones first, the eighth says that more follow; at most 31 bits. */
  private number(): number {
    let value = 0;
    for (let scale = 1; scale <= 0x1000_0000; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > MAX_NUMBER) throw MALFORMED;
        return value;
      }
    }
    throw MALFORMED;
  }

  private piece(length: number): Uint8Array {
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw MALFORMED;
    return this.bytes.subarray(start, this.at);
  }

  private text(): string {
    const length = this.number();
    const start = this.at;
    this.at += length;
    if (this.at > this.bytes.length) throw MALFORMED;
    return this.bytes.toString('latin1', start, this.at);
  }
}
