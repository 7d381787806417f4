import type { Clock, Timer } from '@bascule/core';

/** What ends in time. It is itself the link of the queue that it waits in, so that waiting allocates nothing. */
export interface Expiring {
  /** By the clock, monotonic. */
  readonly dueMs: number;
  queue: Queue | undefined;
  earlier: Expiring | undefined;
  later: Expiring | undefined;
  /** Its time is over; it waits no longer. */
  expire(): void;
}

/** All that wait equally long: who came first is due first. */
class Queue {
  readonly delayMs: number;
  first: Expiring | undefined = undefined;
  last: Expiring | undefined = undefined;
  timer: Timer | undefined = undefined;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }
}

/**
 * One timer for all that wait equally long, which most calls do: a timer for each costs more than a layer. Nothing
 * expires before its time, and nothing is left of a queue that is empty.
 */
export class SharedTimers {
  readonly #clock: Clock;
  readonly #queues = new Map<number, Queue>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For something that is due `delayMs` from now. */
  add(item: Expiring, delayMs: number): void {
    let queue = this.#queues.get(delayMs);
    if (queue === undefined) this.#queues.set(delayMs, (queue = new Queue(delayMs)));
    item.queue = queue;
    item.earlier = queue.last;
    if (queue.last === undefined) queue.first = item;
    else queue.last.later = item;
    queue.last = item;
    if (queue.timer === undefined) this.#wait(queue, delayMs);
  }

  /** It need not wait any longer. */
  remove(item: Expiring): void {
    const { queue, earlier, later } = item;
    if (queue === undefined) return;
    item.queue = undefined;
    item.earlier = undefined;
    item.later = undefined;
    if (earlier === undefined) queue.first = later;
    else earlier.later = later;
    if (later === undefined) queue.last = earlier;
    else later.earlier = earlier;
    if (queue.first === undefined) this.#drop(queue);
  }

  #wait(queue: Queue, delayMs: number): void {
    queue.timer = this.#clock.after(delayMs, () => this.#expire(queue));
  }

  #expire(queue: Queue): void {
    queue.timer = undefined;
    const nowMs = this.#clock.nowMs();
    for (let first = queue.first; first !== undefined && first.dueMs <= nowMs; first = queue.first) {
      this.remove(first);
      first.expire();
    }
    // Those who were first when it was set have gone, or it ran early.
    const { first } = queue;
    if (first !== undefined && queue.timer === undefined) this.#wait(queue, Math.ceil(first.dueMs - nowMs));
  }

  #drop(queue: Queue): void {
    queue.timer?.cancel();
    queue.timer = undefined;
    if (this.#queues.get(queue.delayMs) === queue) this.#queues.delete(queue.delayMs);
  }
}
