/** One byte of flags and four of length. Source: grpc PROTOCOL-HTTP2, Length-Prefixed-Message. */
const PREFIX_BYTES = 5;

/** Counts and measures the messages of one direction of a call in bytes that are cut anywhere, without keeping any. */
export class MessageCounter {
  /** Longest message that has begun so far, in bytes without its prefix. */
  longest = 0;
  #prefixRead = 0;
  #length = 0;
  /** Bytes of the message under way that have not passed yet. */
  #left = 0;

  /** How many messages begin in `bytes`: one counts once its prefix is whole. */
  count(bytes: Uint8Array): number {
    let messages = 0;
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const passed = Math.min(this.#left, bytes.length - at);
        this.#left -= passed;
        at += passed;
        continue;
      }
      const byte = bytes[at++] as number;
      // Not shifted: a length of 0xFFFFFFFF must not turn negative.
      if (this.#prefixRead > 0) this.#length = this.#length * 256 + byte;
      if (++this.#prefixRead < PREFIX_BYTES) continue;
      messages++;
      this.#left = this.#length;
      if (this.#length > this.longest) this.longest = this.#length;
      this.#prefixRead = 0;
      this.#length = 0;
    }
    return messages;
  }
}
