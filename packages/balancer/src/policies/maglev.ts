import { hash64Into } from '@bascule/core';
import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { HashCache } from './hash-cache.ts';
import { jumpHigh, jumpLow } from './hash-jump.ts';
import { HashPicker, type HashTable } from './hash-picker.ts';
import { Work } from './hash-work.ts';
import { orderById } from './id-order.ts';
import { maglevTurns } from './maglev-turns.ts';
import { primeFrom } from './prime.ts';
import { HASHES } from './upkeep.ts';

/** Envoy's limit. A table takes 4 bytes per entry. */
const MAX_TABLE_SIZE = 5_000_011;
/** Other places tried for a stand-in before all members are looked at in turn. */
const MAX_JUMPS = 64;

interface Preference {
  readonly high: number;
  readonly low: number;
  /** Second hash, by which the steps through the table differ. */
  readonly skipHigh: number;
  readonly skipLow: number;
}

/**
 * Maglev: each member has its own order of preference over a table, and they take places turn by turn, the heaviest in
 * each round, lighter ones as often as their weight says. The table is as even as can be, and a pick is one look; when
 * the set changes, up to twice as many keys move as must. A `tableSize` that is no prime counts as the next prime above,
 * at most 5,000,011; it should be a hundred times the members. Ids that are addresses give the table that Envoy has for
 * them. Source: the Maglev paper, 3.4, and Envoy's `MaglevTable` for weights.
 */
export const createMaglev: PolicyFactory<'maglev'> = ({ tableSize, boundPercent }) => {
  const cache = new HashCache<Preference>();
  const size = primeFrom(Math.min(tableSize, MAX_TABLE_SIZE));
  return {
    ...HASHES,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      cache.turn();
      const owners = yield* fillTable(members, size, cache);
      return new HashPicker(members, new Maglev(members, owners), boundPercent);
    },
  };
};

/** `(high * 2^32 + low) % size`, exactly, for sizes below 2^23. */
function placeOf(high: number, low: number, size: number): number {
  const folded = ((high >>> 0) % size) * (0x1_0000_0000 % size) + (low >>> 0);
  return folded - Math.floor(folded / size) * size;
}

function* fillTable(
  members: readonly Candidate[],
  size: number,
  cache: HashCache<Preference>,
): Generator<undefined, Uint32Array> {
  const work = new Work();
  const table = new Uint32Array(size);
  if (members.length === 0) return table;
  // Who comes first in a round matters, and must not depend on the order in which members were heard of.
  const order = yield* orderById(members, work);
  const ordered = [...order].map((owner) => members[owner] as Candidate);
  const places = new Float64Array(members.length);
  const skips = new Float64Array(members.length);
  for (const [index, { id }] of ordered.entries()) {
    const { high, low, skipHigh, skipLow } = preferenceOf(id, cache);
    places[index] = placeOf(high, low, size);
    skips[index] = placeOf(skipHigh, skipLow, size - 1) + 1;
    if (work.spend(16)) yield undefined;
  }
  const turns = yield* maglevTurns(
    ordered.map(({ weight }) => weight),
    size,
    work,
  );
  for (const index of turns) {
    const skip = skips[index] as number;
    let place = places[index] as number;
    let probes = 1;
    for (; table[place] !== 0; probes++) {
      place += skip;
      if (place >= size) place -= size;
    }
    // One more than the index, since 0 is a free place.
    table[place] = (order[index] as number) + 1;
    places[index] = place;
    if (work.spend(probes / 4)) yield undefined;
  }
  return table;
}

function preferenceOf(id: string, cache: HashCache<Preference>): Preference {
  const known = cache.get(id);
  if (known !== undefined) return known;
  const hash = { high: 0, low: 0 };
  hash64Into(id, hash);
  const { high, low } = hash;
  hash64Into(id, hash, 1);
  const preference = { high, low, skipHigh: hash.high, skipLow: hash.low };
  cache.set(id, preference);
  return preference;
}

class Maglev<T extends Candidate> implements HashTable<T> {
  readonly place = 'in the table';
  readonly #members: readonly T[];
  readonly #owners: Uint32Array;

  constructor(members: readonly T[], owners: Uint32Array) {
    this.#members = members;
    this.#owners = owners;
  }

  find(high: number, low: number): T {
    return this.#members[(this.#owners[placeOf(high, low, this.#owners.length)] as number) - 1] as T;
  }

  /** Hashed anew, so that the keys of one that is out are spread over all others. */
  findOther(high: number, low: number, isOut: (candidate: Candidate) => boolean): T | undefined {
    for (let attempt = 1; attempt <= MAX_JUMPS; attempt++) {
      const member = this.find(jumpHigh(high, low, attempt), jumpLow(low, attempt));
      if (!isOut(member)) return member;
    }
    return undefined;
  }
}
