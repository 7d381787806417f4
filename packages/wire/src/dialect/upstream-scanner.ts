import { KeptBytes } from '@bascule/core';
import { FLAG_COMPRESSED, PREFIX_BYTES } from './frame-scanner.ts';

/** Longest frame of status and trailers that is taken, and longest text that is unpacked from one, in bytes. */
export const MAX_STATUS_BYTES = 262_144;

/** What is wrong with an answer's frames. */
export type AnswerFault = 'bad-flags' | 'not-compressible' | 'many' | 'after-end' | 'end-too-large';

interface AnswerScannerOptions {
  /** False when no encoding was agreed on, so that a compressed message cannot be read. */
  readonly compressible: boolean;
  /** Flag of the frame that ends the answer; 0 where HTTP trailers do. */
  readonly endFlag: number;
  /** Messages that the method may answer with. */
  readonly maxMessages: number;
}

/**
 * Follows the messages of an answer in bytes that pass through, cut anywhere, and keeps the frame that ends it. Whole
 * messages before a fault still count: a caller gets them before it hears of the fault.
 */
export class AnswerScanner {
  /** Messages begun so far. */
  messages = 0;
  /** How many of the bytes scanned last are to be passed on, from the first. */
  passed = 0;
  private readonly badFlags: number;
  private readonly endFlag: number;
  private readonly maxMessages: number;
  private place: 'messages' | 'end-frame' | 'ended' = 'messages';
  /** Not made for most: gRPC has no such frame. */
  private kept: KeptBytes | undefined;
  private flags = 0;
  private prefixRead = 0;
  private length = 0;
  private left = 0;

  constructor({ compressible, endFlag, maxMessages }: AnswerScannerOptions) {
    this.badFlags = 0xff & ~endFlag & ~(compressible ? FLAG_COMPRESSED : 0);
    this.endFlag = endFlag;
    this.maxMessages = maxMessages;
  }

  /** True between messages: where a body may end. */
  isAtBoundary(): boolean {
    return this.prefixRead === 0 && this.left === 0;
  }

  /** True when the frame that ends the answer is whole. */
  isEnded(): boolean {
    return this.place === 'ended';
  }

  /** The payload of the frame that ends the answer. */
  takeEndFrame(): { bytes: Uint8Array; compressed: boolean } {
    return { bytes: Buffer.concat(this.kept?.takeAll() ?? []), compressed: (this.flags & FLAG_COMPRESSED) !== 0 };
  }

  /** Follows more bytes; a fault is final. */
  scan(bytes: Uint8Array): AnswerFault | undefined {
    const end = bytes.length;
    let at = 0;
    this.passed = this.place === 'messages' ? end : 0;
    while (at < end) {
      if (this.left === 0) {
        const fault = this.readPrefixByte(bytes[at] as number, at);
        if (fault !== undefined) return fault;
        at++;
        continue;
      }
      const taken = Math.min(this.left, end - at);
      if (this.place === 'end-frame') this.keep(bytes.subarray(at, at + taken));
      this.left -= taken;
      at += taken;
      if (this.left === 0 && this.place === 'end-frame') this.place = 'ended';
    }
    return undefined;
  }

  private keep(bytes: Uint8Array): void {
    this.kept ??= new KeptBytes();
    this.kept.append(bytes);
  }

  private readPrefixByte(byte: number, at: number): AnswerFault | undefined {
    if (this.prefixRead === 0) {
      const fault = this.readFlags(byte);
      if (this.place === 'end-frame' || fault !== undefined) this.passed = Math.min(this.passed, at);
      if (fault !== undefined) return fault;
      this.length = 0;
    } else {
      // Not shifted: 0xFFFFFFFF must not turn negative.
      this.length = this.length * 256 + byte;
    }
    if (++this.prefixRead < PREFIX_BYTES) return undefined;
    this.prefixRead = 0;
    this.left = this.length;
    if (this.place === 'messages') {
      this.messages++;
      return undefined;
    }
    if (this.length > MAX_STATUS_BYTES) return 'end-too-large';
    if (this.length === 0) this.place = 'ended';
    return undefined;
  }

  private readFlags(byte: number): AnswerFault | undefined {
    if (this.place === 'ended') return 'after-end';
    if ((byte & this.badFlags) !== 0)
      return (byte & ~FLAG_COMPRESSED & this.badFlags) === 0 ? 'not-compressible' : 'bad-flags';
    if ((byte & this.endFlag) !== 0) this.place = 'end-frame';
    else if (this.messages >= this.maxMessages) return 'many';
    this.flags = byte;
    return undefined;
  }
}
