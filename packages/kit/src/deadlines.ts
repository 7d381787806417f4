import type { Clock } from '@bascule/core';

/** Something that falls due. The links are the wheel's. */
export interface Due {
  /** On the clock of the wheel, monotonic milliseconds. */
  readonly deadlineMs: number | undefined;
  onDue(): void;
  dueSlot: DueSlot | undefined;
  dueNext: Due | undefined;
  duePrevious: Due | undefined;
}

/** What falls due around the same time. */
export interface DueSlot {
  first: Due | undefined;
}

/** Nothing falls due earlier than asked, and at most this much later. */
export const DEADLINE_GRAIN_MS = 4;
/** Each grain is so many of the next finer. */
const GRAIN_RATIO = 64;
const COARSEST_LEVEL = 4;

/**
 * Deadlines of many calls with few timers: one per slot of time, not one per call, since arming and clearing a timer
 * costs more than the rest of a short call's bookkeeping. What is far away waits in a coarse slot that ends before the
 * deadline, and is then sorted into a finer one. So at most 64 timers per grain are armed, however many calls come.
 */
export class Deadlines {
  private readonly clock: Clock;
  private readonly slots = new Map<number, DueSlot>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(due: Due): void {
    const nowMs = this.clock.nowMs();
    const leftMs = (due.deadlineMs as number) - nowMs;
    let grainMs = DEADLINE_GRAIN_MS;
    let level = 0;
    while (leftMs > grainMs * GRAIN_RATIO && level < COARSEST_LEVEL) {
      grainMs *= GRAIN_RATIO;
      level += 1;
    }
    const tick = (due.deadlineMs as number) / grainMs;
    // Beyond the coarsest slots there are no others: who names deadlines in a thousand years must not get a timer for each.
    const last = Math.floor(nowMs / grainMs) + GRAIN_RATIO;
    const number = level === 0 ? Math.ceil(tick) : Math.min(Math.floor(tick), last);
    // Unique over the levels: each has its own residue.
    const key = number * (COARSEST_LEVEL + 1) + level;
    link(due, this.slots.get(key) ?? this.createSlot(key, number * grainMs));
  }

  /** Harmless where `due` was not added, or has fallen due. */
  remove(due: Due): void {
    const { dueSlot: slot, dueNext: next, duePrevious: previous } = due;
    if (slot === undefined) return;
    if (previous === undefined) slot.first = next;
    else previous.dueNext = next;
    if (next !== undefined) next.duePrevious = previous;
    due.dueSlot = due.dueNext = due.duePrevious = undefined;
  }

  private createSlot(key: number, atMs: number): DueSlot {
    const slot: DueSlot = { first: undefined };
    this.slots.set(key, slot);
    this.clock.after(Math.max(0, atMs - this.clock.nowMs()), () => this.runSlot(key, slot));
    return slot;
  }

  private runSlot(key: number, slot: DueSlot): void {
    this.slots.delete(key);
    const nowMs = this.clock.nowMs();
    for (let due = slot.first; due !== undefined; due = slot.first) {
      this.remove(due);
      if ((due.deadlineMs as number) <= nowMs) due.onDue();
      else this.add(due);
    }
  }
}

function link(due: Due, slot: DueSlot): void {
  const { first } = slot;
  due.dueSlot = slot;
  due.dueNext = first;
  if (first !== undefined) first.duePrevious = due;
  slot.first = due;
}
