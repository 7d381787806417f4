import type { Fields } from '@bascule/core';

interface Slot<T> {
  readonly fields: Fields;
  readonly beside: string | number;
  readonly value: T;
}

/** Longer lists are not remembered, in characters of names and values. */
const MAX_REMEMBERED_CHARS = 4096;

/**
 * What lists of fields came to, by what they hold: most repeat from call to call. Bounded by its slots; a list enters a
 * slot that is taken when it is seen for the second time in a row, so that what differs from call to call, such as a
 * message, does not drive out what repeats.
 */
export class FieldsMemory<T> {
  readonly #slots: (Slot<T> | undefined)[];
  readonly #missed: Int32Array;
  readonly #mask: number;
  #hash = 0;

  /** `slots` is a power of two. */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots });
    this.#missed = new Int32Array(slots);
    this.#mask = slots - 1;
  }

  /** What the first `length` strings of a list came to; `beside` is what else that hangs on. */
  find(fields: Fields, length: number, beside: string | number): T | undefined {
    this.#hash = hashOf(fields, length, beside);
    const slot = this.#slots[this.#hash & this.#mask];
    if (slot === undefined || slot.beside !== beside || !isSame(slot.fields, fields, length)) return undefined;
    return slot.value;
  }

  /** Whether to {@link remember} the list that was looked for last, and not found. To be asked once. */
  wants(fields: Fields): boolean {
    const at = this.#hash & this.#mask;
    const isWelcome = this.#slots[at] === undefined || this.#missed[at] === this.#hash;
    this.#missed[at] = this.#hash;
    return isWelcome && charsOf(fields) <= MAX_REMEMBERED_CHARS;
  }

  /** Takes what the list came to. `fields` are so much of it as was looked for. */
  remember(fields: Fields, beside: string | number, value: T): void {
    this.#slots[this.#hash & this.#mask] = { fields, beside, value };
  }
}

/** All is compared when a list is found: equal hashes cost a comparison, no more. */
function hashOf(fields: Fields, length: number, beside: string | number): number {
  let hash = typeof beside === 'number' ? beside : beside.length;
  for (let i = 0; i < length; i++) {
    const text = fields[i] as string;
    hash = Math.imul(hash ^ text.length ^ (text.charCodeAt(text.length >> 1) << 8), 0x0100_0193);
  }
  return hash ^ (hash >>> 15);
}

function isSame(known: Fields, fields: Fields, length: number): boolean {
  if (known.length !== length) return false;
  if (known === fields) return true;
  for (let i = 0; i < length; i++) {
    if (known[i] !== fields[i]) return false;
  }
  return true;
}

function charsOf(fields: Fields): number {
  let chars = 0;
  for (const text of fields) chars += text.length;
  return chars;
}
