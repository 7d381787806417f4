import { createRandom, type Clock, type Timer } from '@bascule/core';

interface Event extends Timer {
  readonly atMs: number;
  /** Of two at one moment the earlier made comes first, so that a seed gives one order. */
  readonly order: number;
  fn: (() => void) | undefined;
}

/** Virtual time over a heap, for millions of events. */
export interface EventClock extends Clock {
  /** Runs what falls due until then, in order of time. */
  runUntil(ms: number): void;
}

export function createEventClock(seed: number): EventClock {
  const heap: Event[] = [];
  let nowMs = 0;
  let order = 0;

  function push(event: Event): void {
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  function pop(): Event {
    const first = heap[0] as Event;
    const last = heap.pop() as Event;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Event, heap[child] as Event)) child++;
      if (!isBefore(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }

  return {
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    random: createRandom(seed),
    after(delayMs, fn) {
      const event: Event = {
        atMs: nowMs + Math.max(0, delayMs),
        order: order++,
        fn,
        // It stays in the heap until its time, without what it would do.
        cancel: () => void (event.fn = undefined),
      };
      push(event);
      return event;
    },
    runUntil(ms) {
      while (heap.length > 0 && (heap[0] as Event).atMs <= ms) {
        const event = pop();
        if (event.fn === undefined) continue;
        nowMs = event.atMs;
        event.fn();
      }
      nowMs = ms;
    },
  };
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
