import type { Clock, Fields, ResponseHead, Timer } from '@bascule/core';

/** An answer, whole. */
export interface Answer {
  /** Undefined for one that is trailers only. */
  readonly head: ResponseHead | undefined;
  readonly bytes: Uint8Array;
  readonly trailers: Fields;
}

/** An answer that others may have. */
export interface StoredAnswer extends Answer {
  readonly head: ResponseHead;
  /** When it came, and for how long it is fresh, by the monotonic clock. */
  readonly sinceMs: number;
  readonly lifetimeMs: number;
  /** Its age when it came, in ms. */
  readonly ageMs: number;
  readonly isPublic: boolean;
}

interface Slot {
  readonly answer: StoredAnswer;
  readonly size: number;
}

/** What a slot costs beside its bytes and texts, about. */
const SLOT_BYTES = 400;

/** Stale answers are looked for a few at a time, so that no call waits for it. */
const SWEEP_MS = 1_000;
const SWEPT_AT_ONCE = 1_000;

/** Answers by key, of a bounded size: the one that nobody has wanted for longest goes first. Stale ones go by time. */
export class AnswerStore {
  readonly #clock: Clock;
  /** In order of use. */
  readonly #slots = new Map<string, Slot>();
  #size = 0;
  #sweep: Timer | undefined = undefined;
  #cursor: MapIterator<[string, Slot]> | undefined = undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes held. */
  size(): number {
    return this.#size;
  }

  find(key: string): StoredAnswer | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    if (this.#isStale(slot)) {
      this.#remove(key, slot);
      return undefined;
    }
    this.#slots.delete(key);
    this.#slots.set(key, slot);
    return slot.answer;
  }

  /** Takes the place of what was there. One that is over the bound by itself is not kept. */
  put(key: string, answer: StoredAnswer, maxBytes: number): void {
    const before = this.#slots.get(key);
    if (before !== undefined) this.#remove(key, before);
    const size = sizeOf(key, answer);
    if (size > maxBytes || answer.lifetimeMs <= 0) return;
    for (const [oldest, slot] of this.#slots) {
      if (this.#size + size <= maxBytes) break;
      this.#remove(oldest, slot);
    }
    this.#slots.set(key, { answer, size });
    this.#size += size;
    this.#sweep ??= this.#clock.after(SWEEP_MS, () => this.#sweepSome());
  }

  #remove(key: string, slot: Slot): void {
    this.#slots.delete(key);
    this.#size -= slot.size;
    if (this.#slots.size > 0) return;
    this.#sweep?.cancel();
    this.#sweep = undefined;
  }

  #isStale({ answer }: Slot): boolean {
    return this.#clock.nowMs() - answer.sinceMs >= answer.lifetimeMs;
  }

  #sweepSome(): void {
    this.#sweep = undefined;
    this.#cursor ??= this.#slots.entries();
    for (let i = 0; i < SWEPT_AT_ONCE; i++) {
      const { done, value } = this.#cursor.next();
      if (done === true) {
        this.#cursor = undefined;
        break;
      }
      if (this.#isStale(value[1])) this.#remove(value[0], value[1]);
    }
    if (this.#slots.size > 0) this.#sweep = this.#clock.after(SWEEP_MS, () => this.#sweepSome());
  }
}

function sizeOf(key: string, { head, bytes, trailers }: StoredAnswer): number {
  let characters = key.length;
  for (const text of head.fields) characters += text.length;
  for (const text of trailers) characters += text.length;
  return SLOT_BYTES + bytes.length + 2 * characters;
}
