import { TICK_MS } from './listening-clock.ts';

/** Something that is to be looked at when its time has come, unless that has moved by then. */
export interface Due {
  dueMs: number;
  /** Where the wheel keeps it; undefined while it does not. */
  slot: number | undefined;
}

/** What falls due, by ticks: adding and taking out cost the same however many there are. */
export interface DueWheel<T extends Due> {
  /** Keeps an item under its `dueMs`. Moving that to later costs nothing until the old time comes. */
  add(item: T): void;
  remove(item: T): void;
  /** Takes out what is due by now. */
  take(nowMs: number): T[];
}

/** An empty wheel. */
export function createDueWheel<T extends Due>(): DueWheel<T> {
  const slots = new Map<number, Set<T>>();
  let taken = 0;

  function add(item: T): void {
    const slot = Math.max(Math.ceil(item.dueMs / TICK_MS), taken + 1);
    item.slot = slot;
    const items = slots.get(slot);
    if (items === undefined) slots.set(slot, new Set([item]));
    else items.add(item);
  }

  return {
    add,
    remove(item) {
      if (item.slot === undefined) return;
      const items = slots.get(item.slot);
      items?.delete(item);
      if (items?.size === 0) slots.delete(item.slot);
      item.slot = undefined;
    },
    take(nowMs) {
      const now = Math.floor(nowMs / TICK_MS);
      const due: T[] = [];
      // Slots are few, at most one per tick of the longest lease; those without an item are not there.
      for (const [slot, items] of slots) {
        if (slot > now) continue;
        slots.delete(slot);
        for (const item of items) {
          item.slot = undefined;
          if (item.dueMs <= nowMs) due.push(item);
        }
        taken = Math.max(taken, now);
        for (const item of items) if (item.dueMs > nowMs) add(item);
      }
      return due;
    },
  };
}
