const MAX_RANGES = 8;

/**
 * Ids that a client passed over. Opening a later stream closes them (RFC 9113, 5.1.1), and a frame on one of them is a
 * connection error of another kind than a frame on a stream that was there. Bounded: honest clients pass over none.
 */
export class SkippedIds {
  #ranges: (readonly [number, number])[] = [];

  /** Ids from `from` up to, and without, `to`. */
  add(from: number, to: number): void {
    if (from >= to) return;
    this.#ranges.push([from, to]);
    if (this.#ranges.length > MAX_RANGES) this.#ranges.shift();
  }

  has(streamId: number): boolean {
    return this.#ranges.some(([from, to]) => streamId >= from && streamId < to);
  }
}
