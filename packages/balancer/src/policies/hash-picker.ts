import type { Candidate, Picker, PickRequest } from '../policy.ts';
import { LoadBound } from './bounded-load.ts';

/** Which member a hash belongs to. */
export interface HashTable<T> {
  find(high: number, low: number): T;
  /**
   * The first of the members that come next for the same hash which is not out, always in the same order; undefined
   * when none was near.
   */
  findOther(high: number, low: number, isOut: (candidate: Candidate) => boolean): T | undefined;
  /** For people: `on the ring`. */
  readonly place: string;
}

/** Picks of every policy that hashes: the table's choice, or who stands in for it. */
export class HashPicker<T extends Candidate> implements Picker<T> {
  readonly #members: readonly T[];
  readonly #table: HashTable<T>;
  readonly #bound: LoadBound<T> | undefined;
  #why: 'first' | 'out' | 'full' = 'first';

  constructor(members: readonly T[], table: HashTable<T>, boundPercent: number | undefined) {
    this.#members = members;
    this.#table = table;
    this.#bound = boundPercent === undefined ? undefined : new LoadBound(members, table, boundPercent);
  }

  pick(request: PickRequest): T | undefined {
    const { hashHigh, hashLow, isOut } = request;
    if (this.#members.length === 0) return undefined;
    const first = this.#table.find(hashHigh, hashLow);
    const bound = this.#bound;
    if (bound !== undefined) {
      bound.look();
      if (bound.hasRoom(first) && (isOut === undefined || !isOut(first))) return this.#chose(first, 'first');
      return this.#chose(bound.jump(hashHigh, hashLow, isOut), 'full');
    }
    if (isOut === undefined || !isOut(first)) return this.#chose(first, 'first');
    const other = this.#table.findOther(hashHigh, hashLow, isOut) ?? scan(this.#members, hashLow, isOut);
    return this.#chose(other, 'out');
  }

  reason(): string {
    const { place } = this.#table;
    if (this.#why === 'first') return `owner of the key ${place}`;
    if (this.#why === 'out') return `next for the key ${place}, as its owner could not be given`;
    return `jumped to for the key, as its owner ${place} was full or could not be given`;
  }

  #chose(member: T | undefined, why: 'first' | 'out' | 'full'): T | undefined {
    this.#why = why;
    return member;
  }
}

/** When the table has shown nobody who is not out: all members in turn, from a place that the hash names. */
function scan<T extends Candidate>(
  members: readonly T[],
  hashLow: number,
  isOut: (candidate: Candidate) => boolean,
): T | undefined {
  const begin = (hashLow >>> 0) % members.length;
  for (let step = 0; step < members.length; step++) {
    const member = members[(begin + step) % members.length] as T;
    if (!isOut(member)) return member;
  }
  return undefined;
}
