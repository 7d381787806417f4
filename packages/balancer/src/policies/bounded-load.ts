import type { Candidate } from '../policy.ts';
import { jumpHigh, jumpLow } from './hash-jump.ts';
import type { HashTable } from './hash-picker.ts';

/** Members whose open calls are read anew per pick. A set that is no larger is always known exactly. */
const READS_PER_PICK = 16;
/** Jumps before all members are looked at. With half of them full, one key in 65,536 gets so far. */
const MAX_JUMPS = 16;

/**
 * Consistent hashing with bounded loads: no member gets more than `boundPercent` of its part, by weight, of all open
 * calls, rounded up and at least one. What does not fit jumps to other places of the table; where to depends on the
 * hash alone, so calls of one key stay together, and one full member does not fill its neighbour.
 * Source: arXiv 1608.01350 for the bound, 1908.08762 for the jumps, Envoy's `hash_balance_factor` for weights.
 */
export class LoadBound<T extends Candidate> {
  readonly #members: readonly T[];
  readonly #table: HashTable<T>;
  readonly #factor: number;
  readonly #totalWeight: number;
  /** Open calls of each member when last read. */
  readonly #known: Int32Array;
  #total = 0;
  #next = 0;

  /** A `boundPercent` below 100 counts as 100: with less, nobody would have room when all are evenly loaded. */
  constructor(members: readonly T[], table: HashTable<T>, boundPercent: number) {
    this.#members = members;
    this.#table = table;
    this.#factor = Math.max(100, boundPercent) / 100;
    this.#totalWeight = members.reduce((sum, { weight }) => sum + weight, 0);
    this.#known = Int32Array.from(members, ({ openCalls }) => openCalls);
    this.#total = this.#known.reduce((sum, openCalls) => sum + openCalls, 0);
  }

  /** Reads a few members anew, in turn, so that the total is never more than `members / 16` picks old. */
  look(): void {
    const members = this.#members;
    const known = this.#known;
    let index = this.#next;
    let grown = 0;
    for (let reads = Math.min(READS_PER_PICK, members.length); reads > 0; reads--) {
      const { openCalls } = members[index] as T;
      grown += openCalls - (known[index] as number);
      known[index] = openCalls;
      index = index + 1 === members.length ? 0 : index + 1;
    }
    this.#next = index;
    this.#total += grown;
  }

  /** Whether one call more would still be within the bound, of a total that counts it. */
  hasRoom(member: T): boolean {
    return member.openCalls < this.#capOf(member);
  }

  /** Who takes a call that its first choice has no room for: with room if anyone has, or the one least over its bound. */
  jump(high: number, low: number, isOut: ((candidate: Candidate) => boolean) | undefined): T | undefined {
    for (let attempt = 1; attempt <= MAX_JUMPS; attempt++) {
      const member = this.#table.find(jumpHigh(high, low, attempt), jumpLow(low, attempt));
      if (this.hasRoom(member) && (isOut === undefined || !isOut(member))) return member;
    }
    const members = this.#members;
    const begin = (low >>> 0) % members.length;
    let least: T | undefined;
    let leastOver = Infinity;
    for (let step = 0; step < members.length; step++) {
      const member = members[(begin + step) % members.length] as T;
      if (isOut !== undefined && isOut(member)) continue;
      if (this.hasRoom(member)) return member;
      const over = member.openCalls / this.#capOf(member);
      if (over < leastOver) {
        least = member;
        leastOver = over;
      }
    }
    return least;
  }

  #capOf(member: T): number {
    // Less a hair, or 1.2 * 5 would count as more than 6.
    return Math.max(1, Math.ceil((this.#factor * (this.#total + 1) * member.weight) / this.#totalWeight - 1e-9));
  }
}
