import type { Criticality } from '@bascule/core';

/** Somebody who waits. */
export interface Waiting {
  readonly criticality: Criticality;
  /** On the clock of whoever serves; Infinity is none. */
  readonly deadlineMs: number;
}

/** Served in this order, and dropped in the reverse. */
const ORDER: readonly Criticality[] = ['critical', 'default', 'sheddable'];

/**
 * Who waits for a place: those whose calls matter most first, and among these whose deadline is next, so that as many as
 * possible still meet theirs (earliest deadline first: Liu and Layland, 1973). That order alone does worst under overload,
 * when all get there too late: so who queues must refuse those who cannot meet theirs, by {@link countBefore}.
 */
export class WaitingQueue<Item extends Waiting> {
  readonly #heaps: Record<Criticality, DeadlineHeap<Item>> = {
    critical: new DeadlineHeap(),
    default: new DeadlineHeap(),
    sheddable: new DeadlineHeap(),
  };

  get size(): number {
    return this.#heaps.critical.size + this.#heaps.default.size + this.#heaps.sheddable.size;
  }

  push(item: Item): void {
    this.#heaps[item.criticality].push(item);
  }

  /** Takes whoever is served next. */
  shift(): Item | undefined {
    for (const criticality of ORDER) {
      const item = this.#heaps[criticality].shift();
      if (item !== undefined) return item;
    }
    return undefined;
  }

  /** Takes one who matters less than that; undefined if there is none. */
  dropBelow(criticality: Criticality): Item | undefined {
    for (let i = ORDER.length - 1; i > ORDER.indexOf(criticality); i--) {
      const item = this.#heaps[ORDER[i] as Criticality].pop();
      if (item !== undefined) return item;
    }
    return undefined;
  }

  /** True if it was waiting. */
  remove(item: Item): boolean {
    return this.#heaps[item.criticality].remove(item);
  }

  /** How many are served before somebody who would come now. */
  countBefore({ criticality, deadlineMs }: Waiting): number {
    let count = this.#heaps[criticality].countUpTo(deadlineMs);
    for (const higher of ORDER.slice(0, ORDER.indexOf(criticality))) count += this.#heaps[higher].size;
    return count;
  }
}

interface Entry<Item> {
  readonly item: Item;
  readonly deadlineMs: number;
  /** Of two with the same deadline, the first to come is first. */
  readonly order: number;
}

/** A binary heap by deadline. */
class DeadlineHeap<Item extends Waiting> {
  readonly #entries: Entry<Item>[] = [];
  #order = 0;

  get size(): number {
    return this.#entries.length;
  }

  push(item: Item): void {
    this.#entries.push({ item, deadlineMs: item.deadlineMs, order: this.#order++ });
    this.#up(this.#entries.length - 1);
  }

  shift(): Item | undefined {
    return this.#take(0);
  }

  /** Takes one of those with the latest deadlines: a leaf of the heap. */
  pop(): Item | undefined {
    return this.#entries.pop()?.item;
  }

  remove(item: Item): boolean {
    const at = this.#entries.findIndex((entry) => entry.item === item);
    return at >= 0 && this.#take(at) !== undefined;
  }

  countUpTo(deadlineMs: number): number {
    let count = 0;
    for (const entry of this.#entries) if (entry.deadlineMs <= deadlineMs) count++;
    return count;
  }

  #take(at: number): Item | undefined {
    const taken = this.#entries[at];
    const last = this.#entries.pop();
    if (taken === undefined || last === undefined || taken === last) return taken?.item;
    this.#entries[at] = last;
    this.#up(at);
    this.#down(at);
    return taken.item;
  }

  #up(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    for (let at = from; ;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) {
        if (child < this.#entries.length && this.#isBefore(child, first)) first = child;
      }
      if (first === at) return;
      this.#swap(at, first);
      at = first;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const one = this.#entries[a] as Entry<Item>;
    const other = this.#entries[b] as Entry<Item>;
    return one.deadlineMs < other.deadlineMs || (one.deadlineMs === other.deadlineMs && one.order < other.order);
  }

  #swap(a: number, b: number): void {
    const entry = this.#entries[a] as Entry<Item>;
    this.#entries[a] = this.#entries[b] as Entry<Item>;
    this.#entries[b] = entry;
  }
}
