import type { DecodeLimits } from './limits.ts';

/** What a scan found: the number of values, or which limit was passed. */
export type ScanResult = number | 'too-many' | 'too-deep' | 'malformed';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
const NINE = 0x39;

/** Fewer digits in a row cost nothing. */
const MIN_DIGITS = 4_096;
/** Digits in a row, as their square over this: what reading them as one whole number takes. */
const DIGITS_PER_NODE = 600_000;

/**
 * Counts the values of a JSON text without building one, so that a bomb is known before it takes memory. Assumes JSON;
 * what is none gets some number and is found by the parser. An empty list or object counts as two.
 */
export function scanJson(text: Uint8Array, { maxNodes, maxDepth }: DecodeLimits): ScanResult {
  // A message is an object, in at most one list or map.
  const maxNesting = 2 * maxDepth + 1;
  let nodes = 1;
  let nesting = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text[at] as number) {
      case QUOTE: {
        const end = endOfString(text, at + 1);
        nodes += weighDigits(text, at + 1, end);
        if (nodes > maxNodes) return 'too-many';
        at = end;
        break;
      }
      case 0x7b:
      case 0x5b:
        if (++nesting > maxNesting) return 'too-deep';
        if (++nodes > maxNodes) return 'too-many';
        break;
      case 0x7d:
      case 0x5d:
        nesting--;
        break;
      case 0x2c:
        if (++nodes > maxNodes) return 'too-many';
        break;
      default:
    }
  }
  return nodes;
}

/** Where the quote stands that ends a string, or the end of the text. */
function endOfString(text: Uint8Array, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== QUOTE) at += text[at] === BACKSLASH ? 2 : 1;
  return at;
}

/** What digits in a string weigh: a million of them take a tenth of a second where the field is of 64 bits. */
function weighDigits(text: Uint8Array, from: number, end: number): number {
  if (end - from < MIN_DIGITS) return 0;
  let weight = 0;
  let digits = 0;
  for (let at = from; at <= end; at++) {
    const byte = text[at] as number;
    if (at < end && byte >= ZERO && byte <= NINE) {
      digits += 1;
      continue;
    }
    if (digits >= MIN_DIGITS) weight += Math.floor((digits * digits) / DIGITS_PER_NODE);
    digits = 0;
  }
  return weight;
}
