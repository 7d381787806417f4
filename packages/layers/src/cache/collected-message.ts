import { KeptBytes } from '@bascule/core';
import { takeWhole } from '../whole-bytes.ts';

const PREFIX_BYTES = 5;

/** What came of a message so far, with the prefix that says how long it will be. */
export class CollectedMessage {
  /** Of message and prefix; Infinity until it is known. */
  wholeBytes = Infinity;
  readonly #kept = new KeptBytes();
  readonly #prefix = new Uint8Array(PREFIX_BYTES);

  get size(): number {
    return this.#kept.size;
  }

  isLengthKnown(): boolean {
    return this.wholeBytes !== Infinity;
  }

  append(bytes: Uint8Array): void {
    if (!this.isLengthKnown()) this.#readPrefix(bytes);
    this.#kept.append(bytes);
  }

  /** All that came, in one piece. */
  take(): Uint8Array {
    return takeWhole(this.#kept);
  }

  #readPrefix(bytes: Uint8Array): void {
    const known = this.#kept.size;
    for (let i = known; i < PREFIX_BYTES && i - known < bytes.length; i++) this.#prefix[i] = bytes[i - known] as number;
    if (known + bytes.length < PREFIX_BYTES) return;
    this.wholeBytes = PREFIX_BYTES + new DataView(this.#prefix.buffer).getUint32(1);
  }
}
