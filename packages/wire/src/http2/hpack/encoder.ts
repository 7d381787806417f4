import type { ByteBuffer } from '../byte-buffer.ts';
import { encodeHuffman, huffmanLength } from './huffman.ts';
import { staticNameIndex, staticPairIndex } from './static-table.ts';

/** First bits of a literal field that enters no table, and of one that no intermediary may put into a table. */
const LITERAL = 0x00;
const NEVER_INDEXED = 0x10;
/** Worth protecting from being guessed through a shared table (RFC 7541, 7.1.3). */
const SECRET_NAMES = new Set(['authorization', 'cookie', 'proxy-authorization', 'set-cookie']);
/** Table size update to 0: says at the start of a connection that our encoder never uses the dynamic table. */
export const TABLE_SIZE_ZERO = 0x20;

/** Appends an integer with an N-bit prefix; `first` holds the bits before the prefix. Source: RFC 7541, 5.1. */
export function encodeInteger(out: ByteBuffer, value: number, prefixBits: number, first: number): void {
  const mask = (1 << prefixBits) - 1;
  let at = out.reserve(6);
  if (value < mask) {
    out.bytes[at] = first | value;
    out.length = at + 1;
    return;
  }
  out.bytes[at++] = first | mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    out.bytes[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out.bytes[at++] = rest;
  out.length = at;
}

/** Appends a string, Huffman-coded where that is shorter: for what is encoded once and sent often. */
function encodeString(out: ByteBuffer, value: string): void {
  const coded = huffmanLength(value);
  if (coded >= value.length) {
    encodeInteger(out, value.length, 7, 0);
    const at = out.reserve(value.length);
    out.length = at + out.bytes.write(value, at, 'latin1');
    return;
  }
  encodeInteger(out, coded, 7, 0x80);
  const at = out.reserve(coded);
  out.length = encodeHuffman(value, out.bytes, at);
}

/** Appends what stands before the value of a literal field: its kind and name. */
export function encodeName(out: ByteBuffer, name: string): void {
  const kind = SECRET_NAMES.has(name) ? NEVER_INDEXED : LITERAL;
  const index = staticNameIndex(name);
  encodeInteger(out, index, 4, kind);
  if (index === 0) encodeString(out, name);
}

/** Appends a whole field without use of the dynamic table. */
export function encodeField(out: ByteBuffer, name: string, value: string): void {
  const pair = staticPairIndex(name, value);
  if (pair > 0) {
    encodeInteger(out, pair, 7, 0x80);
    return;
  }
  encodeName(out, name);
  encodeString(out, value);
}

/** Octets a field value must not hold: they would end the field at an HTTP/1.1 hop (RFC 9113, 8.2.1). */
function isForbidden(char: number): boolean {
  return char > 0xff || char === 0 || char === 10 || char === 13;
}

/** Appends a value as it is, which for values seen once is cheaper than coding; false, and nothing sensible, when it holds a forbidden octet. */
export function encodeRawValue(out: ByteBuffer, value: string): boolean {
  const length = value.length;
  encodeInteger(out, length, 7, 0);
  const at = out.reserve(length);
  const bytes = out.bytes;
  for (let i = 0; i < length; i++) {
    const char = value.charCodeAt(i);
    if (char < 32 || char > 0xff) {
      if (isForbidden(char)) return false;
    }
    bytes[at + i] = char;
  }
  out.length = at + length;
  return true;
}
