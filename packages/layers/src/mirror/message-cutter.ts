import { KeptBytes } from '@bascule/core';
import { takeWhole } from '../whole-bytes.ts';

/** A message with the flags before it; `bytes` is undefined for one that was too long to keep. */
export interface CutMessage {
  readonly flags: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

const PREFIX_BYTES = 5;

/** Cuts bytes of the inner dialect into messages, and keeps none that is longer than it may be. */
export class MessageCutter {
  readonly #maxBytes: number;
  readonly #onMessage: (message: CutMessage) => void;
  readonly #prefix = new Uint8Array(PREFIX_BYTES);
  #prefixBytes = 0;
  #length = 0;
  #missing = 0;
  readonly #kept = new KeptBytes();

  constructor(maxBytes: number, onMessage: (message: CutMessage) => void) {
    this.#maxBytes = maxBytes;
    this.#onMessage = onMessage;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#prefixBytes < PREFIX_BYTES) {
        this.#prefix[this.#prefixBytes++] = bytes[at++] as number;
        if (this.#prefixBytes < PREFIX_BYTES) continue;
        this.#length = new DataView(this.#prefix.buffer).getUint32(1);
        this.#missing = this.#length;
      } else {
        const taken = Math.min(this.#missing, bytes.length - at);
        if (this.#length <= this.#maxBytes) this.#kept.append(bytes.subarray(at, at + taken));
        this.#missing -= taken;
        at += taken;
      }
      if (this.#missing === 0) this.#finish();
    }
  }

  #finish(): void {
    this.#prefixBytes = 0;
    const length = this.#length;
    const bytes = length <= this.#maxBytes ? takeWhole(this.#kept) : undefined;
    this.#onMessage({ flags: this.#prefix[0] as number, length, bytes });
  }
}
