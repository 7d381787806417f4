/** Bytes that are no record of ZooKeeper. */
export class JuteError extends Error {
  override readonly name = 'JuteError';
}

/** Reads ZooKeeper's records (jute). No length is believed that goes beyond the bytes that are there. Throws JuteError. */
export class JuteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  long(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  bool(): boolean {
    return this.#bytes[this.#take(1)] !== 0;
  }

  /** A copy. What is null on the wire is empty. */
  buffer(): Uint8Array {
    const length = this.#length(1);
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  string(): string {
    const length = this.#length(1);
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  strings(): string[] {
    const count = this.#length(4);
    const values: string[] = [];
    for (let index = 0; index < count; index++) values.push(this.string());
    return values;
  }

  /** A count of things that have at least so many bytes each; -1 is null. */
  #length(bytesEach: number): number {
    const count = this.int();
    if (count === -1) return 0;
    if (count < 0 || count * bytesEach > this.#bytes.length - this.#at) {
      throw new JuteError(`a record of ZooKeeper names a length of ${count} where ${this.#left()} bytes are left`);
    }
    return count;
  }

  #take(count: number): number {
    if (count > this.#left()) throw new JuteError(`a record of ZooKeeper ends after ${this.#bytes.length} bytes`);
    const start = this.#at;
    this.#at += count;
    return start;
  }

  #left(): number {
    return this.#bytes.length - this.#at;
  }
}
