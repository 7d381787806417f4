import { KeptBytes } from '@bascule/core';
import { FLAG_COMPRESSED, PREFIX_BYTES } from '@bascule/wire';

export type AssemblyFault = 'too-large' | 'bad-flags';

/** A whole message without its prefix. `bytes` are only lent. */
export interface AssembledMessage {
  readonly bytes: Uint8Array;
  readonly compressed: boolean;
}

/** Puts length-prefixed messages together that come cut anywhere. What came in one piece is not copied. */
export class MessageAssembler {
  /** Set by {@link take}; final. */
  fault: AssemblyFault | undefined;
  private readonly maxBytes: number;
  private prefixRead = 0;
  private flags = 0;
  private length = 0;
  private readonly kept = new KeptBytes();

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** True between messages: where a body may end. */
  isAtBoundary(): boolean {
    return this.prefixRead === 0;
  }

  /** Where in `bytes` it would go on behind what {@link take} has used. */
  at = 0;

  /** Reads on at `this.at` to the end of one message, or of `bytes`. */
  take(bytes: Uint8Array): AssembledMessage | undefined {
    while (this.prefixRead < PREFIX_BYTES) {
      if (this.at === bytes.length) return undefined;
      this.readPrefixByte(bytes[this.at++] as number);
      if (this.fault !== undefined) return undefined;
    }
    const left = this.length - this.kept.size;
    const piece = bytes.subarray(this.at, this.at + left);
    this.at += piece.length;
    if (piece.length < left) {
      if (piece.length > 0) this.kept.append(piece);
      return undefined;
    }
    this.prefixRead = 0;
    return { bytes: this.join(piece), compressed: this.flags !== 0 && this.length > 0 };
  }

  clear(): void {
    this.kept.clear();
  }

  private join(last: Uint8Array): Uint8Array {
    if (this.kept.size === 0) return last;
    if (last.length > 0) this.kept.append(last);
    const pieces = this.kept.takeAll();
    return pieces.length === 1 ? (pieces[0] as Uint8Array) : Buffer.concat(pieces);
  }

  private readPrefixByte(byte: number): void {
    if (this.prefixRead === 0) {
      if ((byte & ~FLAG_COMPRESSED) !== 0) this.fault = 'bad-flags';
      this.flags = byte;
      this.length = 0;
    } else {
      // Not shifted: 0xFFFFFFFF must not turn negative and pass the limit.
      this.length = this.length * 256 + byte;
    }
    if (++this.prefixRead === PREFIX_BYTES && this.length > this.maxBytes) this.fault = 'too-large';
  }
}
