import { hash64Into } from '@bascule/core';
import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { HashCache } from './hash-cache.ts';
import { findHash, sortHashes, type HashOrder } from './hash-order.ts';
import { HashPicker, type HashTable } from './hash-picker.ts';
import { Work } from './hash-work.ts';
import { countEntries } from './ring-size.ts';
import { HASHES } from './upkeep.ts';

/** Envoy's limit. A ring takes 16 bytes per entry. */
const MAX_RING_SIZE = 8_388_608;
/** Entries looked at for a stand-in before all members are looked at in turn. */
const MAX_STEPS = 4_096;

/** Hashes of one id's entries, as many as have been needed so far. */
interface Points {
  readonly highs: Uint32Array;
  readonly lows: Uint32Array;
}

/**
 * Ketama: each member has entries on a ring, as many as its weight says, and a key belongs to the first entry that is
 * not below its hash, around the end to the first. Entries are XXH64 of the instance id, `_` and a count from 0. There
 * are at least `minRingSize`, and so many that the least weight has a whole number of them; beyond `maxRingSize` (at
 * most 8,388,608) all have fewer, and a member may have none. More entries spread keys more evenly: with 100 per member
 * by about 10 %. A pick costs the same whatever the size. Since the size stays near its minimum, everybody's entries
 * become fewer with each member that comes, and up to twice as many keys move as must. Source: Envoy's
 * `RingHashLoadBalancer::Ring`, gRFC A42.
 */
export const createRingHash: PolicyFactory<'ring-hash'> = ({ minRingSize, maxRingSize, boundPercent }) => {
  const cache = new HashCache<Points>();
  return {
    ...HASHES,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      cache.turn();
      const work = new Work();
      const weights = Float64Array.from(members, ({ weight }) => weight);
      const counts = countEntries(weights, minRingSize, Math.min(maxRingSize, MAX_RING_SIZE));
      const order = yield* placeEntries(members, counts, cache, work);
      return new HashPicker(members, new Ring(members, order), boundPercent);
    },
  };
};

function* placeEntries(
  members: readonly Candidate[],
  counts: Uint32Array,
  cache: HashCache<Points>,
  work: Work,
): Generator<undefined, HashOrder> {
  const size = counts.reduce((sum, count) => sum + count, 0);
  const highs = new Uint32Array(size);
  const lows = new Uint32Array(size);
  const owners = new Uint32Array(size);
  let at = 0;
  for (const [owner, { id }] of members.entries()) {
    const count = counts[owner] as number;
    const points = yield* pointsOf(id, count, cache, work);
    for (let index = 0; index < count; index++, at++) {
      highs[at] = points.highs[index] as number;
      lows[at] = points.lows[index] as number;
      owners[at] = owner;
      if (work.spend(0.2)) yield undefined;
    }
    if (work.spend(4)) yield undefined;
  }
  return yield* sortHashes(highs, lows, owners, work);
}

function* pointsOf(id: string, count: number, cache: HashCache<Points>, work: Work): Generator<undefined, Points> {
  const known = cache.get(id);
  if (known !== undefined && known.highs.length >= count) return known;
  const points = { highs: new Uint32Array(count), lows: new Uint32Array(count) };
  const kept = known?.highs.length ?? 0;
  if (known !== undefined) {
    points.highs.set(known.highs);
    points.lows.set(known.lows);
  }
  const hash = { high: 0, low: 0 };
  yield* work.over(count - kept, 8, (from, to) => {
    for (let index = kept + from; index < kept + to; index++) {
      hash64Into(`${id}_${index}`, hash);
      points.highs[index] = hash.high;
      points.lows[index] = hash.low;
    }
  });
  cache.set(id, points);
  return points;
}

class Ring<T extends Candidate> implements HashTable<T> {
  readonly place = 'on the ring';
  readonly #members: readonly T[];
  readonly #order: HashOrder;

  constructor(members: readonly T[], order: HashOrder) {
    this.#members = members;
    this.#order = order;
  }

  find(high: number, low: number): T {
    const { owners } = this.#order;
    const index = findHash(this.#order, high, low);
    return this.#members[owners[index === owners.length ? 0 : index] as number] as T;
  }

  /** Along the ring, as if those that are out had no entries. */
  findOther(high: number, low: number, isOut: (candidate: Candidate) => boolean): T | undefined {
    const { owners } = this.#order;
    let index = findHash(this.#order, high, low);
    let before = -1;
    for (let step = Math.min(owners.length, MAX_STEPS); step > 0; step--) {
      if (index >= owners.length) index = 0;
      const owner = owners[index++] as number;
      if (owner === before) continue;
      before = owner;
      const member = this.#members[owner] as T;
      if (!isOut(member)) return member;
    }
    return undefined;
  }
}
