/** What an entry counts beside its bytes. Source: RFC 7541, 4.1. */
export const ENTRY_OVERHEAD_BYTES = 32;

/** The dynamic table of one direction: newest entry first, evicted from the old end. Source: RFC 7541, 2.3.2 and 4. */
export class DynamicTable {
  readonly #names: string[] = [];
  readonly #values: string[] = [];
  #bytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get length(): number {
    return this.#names.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** `index` counts from 0, the newest. */
  nameAt(index: number): string | undefined {
    return this.#names[this.#names.length - 1 - index];
  }

  valueAt(index: number): string {
    return this.#values[this.#values.length - 1 - index] as string;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evict(maxBytes);
  }

  /** An entry larger than the table empties it and is not kept (RFC 7541, 4.4). */
  add(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evict(this.#maxBytes - size);
    if (size > this.#maxBytes) return;
    this.#names.push(name);
    this.#values.push(value);
    this.#bytes += size;
  }

  #evict(targetBytes: number): void {
    while (this.#names.length > 0 && this.#bytes > targetBytes) {
      const name = this.#names.shift() as string;
      const value = this.#values.shift() as string;
      this.#bytes -= name.length + value.length + ENTRY_OVERHEAD_BYTES;
    }
  }
}
