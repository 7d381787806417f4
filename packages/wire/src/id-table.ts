/** Capacity to start with, and the least it ever has. A power of two. */
const START_SLOTS = 16;

/** 2^32 divided by the golden ratio: spreads ids that follow each other. */
const SPREAD = 0x9e3779b1;

/** No id is negative. */
const FREE = -1;

/**
 * What is open, by a whole number from 0 on. Unlike a Map it keeps nothing of what was taken out: a Map whose entries
 * come and go copies itself again and again, each copy keeps its old entries and the next copy, and once a garbage
 * collection has moved one such copy to the old generation, half of all calls are kept alive with it.
 */
export class IdTable<T> {
  #size = 0;
  #ids: number[] = freeSlots(START_SLOTS);
  #items: (T | undefined)[] = emptySlots(START_SLOTS);
  #mask = START_SLOTS - 1;

  get size(): number {
    return this.#size;
  }

  get(id: number): T | undefined {
    return this.#items[this.#slotOf(id)];
  }

  set(id: number, item: T): void {
    const slot = this.#slotOf(id);
    if (this.#ids[slot] === FREE) {
      // Half full at most: runs of taken slots stay short.
      if (this.#size * 2 >= this.#ids.length) {
        this.#resize(this.#ids.length * 2);
        return this.set(id, item);
      }
      this.#size += 1;
      this.#ids[slot] = id;
    }
    this.#items[slot] = item;
  }

  /** False if there is no such id. */
  delete(id: number): boolean {
    let hole = this.#slotOf(id);
    if (this.#ids[hole] === FREE) return false;
    const mask = this.#mask;
    // Whoever stands behind only because the hole's slot was taken moves up, so that it is found again.
    for (let at = (hole + 1) & mask; this.#ids[at] !== FREE; at = (at + 1) & mask) {
      const home = this.#homeOf(this.#ids[at] as number);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.#ids[hole] = this.#ids[at] as number;
      this.#items[hole] = this.#items[at];
      hole = at;
    }
    this.#ids[hole] = FREE;
    this.#items[hole] = undefined;
    this.#size -= 1;
    return true;
  }

  clear(): void {
    this.#size = 0;
    this.#ids = freeSlots(START_SLOTS);
    this.#items = emptySlots(START_SLOTS);
    this.#mask = START_SLOTS - 1;
  }

  /** A copy, in no order: items may come and go while it is walked. */
  values(): T[] {
    return this.#items.filter((item) => item !== undefined);
  }

  #homeOf(id: number): number {
    return (Math.imul(id, SPREAD) >>> 8) & this.#mask;
  }

  #slotOf(id: number): number {
    let slot = this.#homeOf(id);
    while (this.#ids[slot] !== id && this.#ids[slot] !== FREE) slot = (slot + 1) & this.#mask;
    return slot;
  }

  #resize(slots: number): void {
    const ids = this.#ids;
    const items = this.#items;
    this.#ids = freeSlots(slots);
    this.#items = emptySlots(slots);
    this.#mask = slots - 1;
    ids.forEach((id, at) => {
      if (id === FREE) return;
      const slot = this.#slotOf(id);
      this.#ids[slot] = id;
      this.#items[slot] = items[at];
    });
  }
}

function freeSlots(slots: number): number[] {
  return Array.from({ length: slots }, () => FREE);
}

function emptySlots<T>(slots: number): (T | undefined)[] {
  return Array.from({ length: slots }, () => undefined);
}
