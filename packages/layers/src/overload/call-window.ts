/**
 * How calls went of late: a sliding window in slots, with its sums kept, so that asking costs nothing. What is older than
 * the window leaves by whole slots.
 */
export class CallWindow {
  readonly windowMs: number;
  calls = 0;
  failures = 0;
  readonly #slotMs: number;
  /** Calls and failures of each slot, in pairs. */
  readonly #slots: Uint32Array;
  /** Of the clock, counted in slots. */
  #slot: number;

  constructor(windowMs: number, slots: number, nowMs: number) {
    this.windowMs = windowMs;
    this.#slotMs = windowMs / slots;
    this.#slots = new Uint32Array(slots * 2);
    this.#slot = Math.floor(nowMs / this.#slotMs);
  }

  add(isFailure: boolean, nowMs: number): void {
    this.turn(nowMs);
    const at = this.#at(this.#slot);
    this.calls++;
    this.#slots[at] = (this.#slots[at] as number) + 1;
    if (!isFailure) return;
    this.failures++;
    this.#slots[at + 1] = (this.#slots[at + 1] as number) + 1;
  }

  /** Forgets what is too old. */
  turn(nowMs: number): void {
    const slot = Math.floor(nowMs / this.#slotMs);
    if (slot <= this.#slot) return;
    const count = this.#slots.length / 2;
    // Slots that passed without a call are stale too; after a whole window all are.
    for (let stale = Math.max(this.#slot + 1, slot - count + 1); stale <= slot; stale++) {
      const at = this.#at(stale);
      this.calls -= this.#slots[at] as number;
      this.failures -= this.#slots[at + 1] as number;
      this.#slots[at] = 0;
      this.#slots[at + 1] = 0;
    }
    this.#slot = slot;
  }

  clear(): void {
    this.#slots.fill(0);
    this.calls = 0;
    this.failures = 0;
  }

  #at(slot: number): number {
    return (slot % (this.#slots.length / 2)) * 2;
  }
}
