import { hash64Into } from '@bascule/core';
import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { HashCache } from './hash-cache.ts';
import { jumpHigh } from './hash-jump.ts';
import { HashPicker, type HashTable } from './hash-picker.ts';
import { Work } from './hash-work.ts';
import { runRace, SLOT_BITS, type Winners } from './rendezvous-race.ts';

/** Other slots tried for a stand-in before all members are looked at in turn. */
const MAX_JUMPS = 64;

/**
 * Rendezvous: the member with the highest `-weight / ln(hash of key and member)` has the key, so a change of the set
 * moves exactly the keys that must move: to who came, or from who left; and a heavier weight only attracts. As published
 * that is a look at every member per pick. Here the leading 18 bits of a key's hash choose one of 262,144 slots, each of
 * which has had its contest when the table was made, so a pick is one look whatever the number of members, and all of
 * the above holds exactly. The price: a member's part of the keys varies by `sqrt(members / 262,144)`, 2 % for 100 and
 * 20 % for 10,000 of them, where maglev is more even. Source: Thaler and Ravishankar, IEEE/ACM ToN 6(1), 1998.
 */
export const createRendezvous: PolicyFactory<'rendezvous'> = ({ boundPercent }) => {
  const cache = new HashCache<{ readonly high: number; readonly low: number }>();
  return {
    needsLatency: false,
    decayMs: 0,
    hashes: true,
    refreshMs: 0,
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      cache.turn();
      const work = new Work();
      const highs = new Uint32Array(members.length);
      const lows = new Uint32Array(members.length);
      yield* work.over(members.length, 8, (from, to) => {
        for (let index = from; index < to; index++) {
          const { id } = members[index] as T;
          let hash = cache.get(id);
          if (hash === undefined) {
            const fresh = { high: 0, low: 0 };
            hash64Into(id, fresh);
            cache.set(id, fresh);
            hash = fresh;
          }
          highs[index] = hash.high;
          lows[index] = hash.low;
        }
      });
      const weights = Float64Array.from(members, ({ weight }) => weight);
      const { first, second } = yield* runRace({ highs, lows, weights }, work);
      return new HashPicker(members, new Rendezvous(members, { first, second }), boundPercent);
    },
  };
};

class Rendezvous<T extends Candidate> implements HashTable<T> {
  readonly place = 'by highest random weight';
  readonly #members: readonly T[];
  readonly #winners: Winners;

  constructor(members: readonly T[], winners: Winners) {
    this.#members = members;
    this.#winners = winners;
  }

  find(high: number): T {
    return this.#members[(this.#winners.first[high >>> (32 - SLOT_BITS)] as number) - 1] as T;
  }

  /** The second best, who would have the key if the best were not there; after that, the best of other slots. */
  findOther(high: number, low: number, isOut: (candidate: Candidate) => boolean): T | undefined {
    const second = this.#winners.second[high >>> (32 - SLOT_BITS)] as number;
    if (second !== 0) {
      const member = this.#members[second - 1] as T;
      if (!isOut(member)) return member;
    }
    for (let attempt = 1; attempt <= MAX_JUMPS; attempt++) {
      const member = this.find(jumpHigh(high, low, attempt));
      if (!isOut(member)) return member;
    }
    return undefined;
  }
}
