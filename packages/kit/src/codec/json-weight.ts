/** An object or list that parsing makes. */
const OBJECT_WEIGHT = 8;
/** Another value in one. */
const VALUE_WEIGHT = 1;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_LIST = 0x5b;
const OPEN_OBJECT = 0x7b;
const ZERO = 0x30;
const NINE = 0x39;

/** Fewer in a row cost nothing. */
const MIN_DIGITS = 4_096;

/** Digits in a row, as their square over this: what reading them as one whole number takes. */
const DIGITS_PER_WEIGHT = 80_000;

/**
 * The same bound as for binary messages, on JSON: objects and values are counted by what begins and parts them. A
 * million digits are one value, and a tenth of a second of work where the field is of 64 bits.
 */
export function isJsonHeavierThan(bytes: Uint8Array, maxObjects: number): boolean {
  const limit = maxObjects * OBJECT_WEIGHT;
  let weight = 0;
  let inText = false;
  let digits = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte >= ZERO && byte <= NINE) {
      digits += 1;
      continue;
    }
    if (digits > MIN_DIGITS) weight += (digits * digits) / DIGITS_PER_WEIGHT;
    digits = 0;
    if (inText) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inText = false;
    } else if (byte === QUOTE) {
      inText = true;
      weight += VALUE_WEIGHT;
    } else if (byte === COMMA) {
      weight += VALUE_WEIGHT;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      weight += OBJECT_WEIGHT;
      if (weight > limit) return true;
    }
  }
  return weight > limit;
}
