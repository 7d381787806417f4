import type { Work } from './hash-work.ts';

/** Hashes of 64 bits in ascending order, as arrays that are parallel. */
export interface HashOrder {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
  /** What each hash stands for. */
  readonly owners: Uint32Array;
  /** Index of the first hash of each bucket: hashes with the same leading bits. */
  readonly starts: Uint32Array;
  /** Bits that are not leading ones. */
  readonly shift: number;
}

/**
 * Sorts in linear time, since hashes are spread evenly: about as many buckets as hashes, by their leading bits, and an
 * insertion sort over the few that share one. The buckets then find a hash in constant time as well. Equal hashes keep
 * their order.
 */
export function* sortHashes(
  highs: Uint32Array,
  lows: Uint32Array,
  owners: Uint32Array,
  work: Work,
): Generator<undefined, HashOrder> {
  const count = highs.length;
  const bits = Math.max(1, Math.ceil(Math.log2(count + 1)));
  const shift = 32 - bits;
  const starts = new Uint32Array((1 << bits) + 1);
  yield* work.over(count, 0.5, (from, to) => {
    for (let index = from; index < to; index++) {
      const bucket = ((highs[index] as number) >>> shift) + 1;
      starts[bucket] = (starts[bucket] as number) + 1;
    }
  });
  yield* work.over(1 << bits, 0.2, (from, to) => {
    for (let bucket = from; bucket < to; bucket++) {
      starts[bucket + 1] = (starts[bucket + 1] as number) + (starts[bucket] as number);
    }
  });
  const ends = starts.slice();
  const order = {
    highs: new Uint32Array(count),
    lows: new Uint32Array(count),
    owners: new Uint32Array(count),
    starts,
    shift,
  };
  yield* work.over(count, 2, (from, to) => {
    for (let index = from; index < to; index++) {
      const bucket = (highs[index] as number) >>> shift;
      const begin = starts[bucket] as number;
      let place = ends[bucket] as number;
      ends[bucket] = place + 1;
      for (; place > begin && isAbove(order, place - 1, highs[index] as number, lows[index] as number); place--) {
        move(order, place - 1, place);
      }
      order.highs[place] = highs[index] as number;
      order.lows[place] = lows[index] as number;
      order.owners[place] = owners[index] as number;
    }
  });
  return order;
}

/** Index of the first hash that is not below; the number of hashes when all are. */
export function findHash({ highs, lows, starts, shift }: HashOrder, high: number, low: number): number {
  const key = high >>> 0;
  const keyLow = low >>> 0;
  let index = starts[key >>> shift] as number;
  for (; index < highs.length; index++) {
    const at = highs[index] as number;
    if (at > key || (at === key && (lows[index] as number) >= keyLow)) return index;
  }
  return index;
}

function isAbove({ highs, lows }: HashOrder, index: number, high: number, low: number): boolean {
  const at = highs[index] as number;
  return at > high || (at === high && (lows[index] as number) > low);
}

function move({ highs, lows, owners }: HashOrder, from: number, to: number): void {
  highs[to] = highs[from] as number;
  lows[to] = lows[from] as number;
  owners[to] = owners[from] as number;
}
