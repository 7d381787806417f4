import type { FieldPath } from '@bascule/core';
import { createVarint, readVarint, skipField, textOfFixed32, textOfFixed64, textOfVarint } from './message-wire.ts';

/** Fields looked at in one message, nested ones included: a message of millions of tiny ones must not cost more. */
const MAX_FIELDS = 16_384;

const LENGTH_DELIMITED = 2;
const WIRE_TYPES = { string: 2, bytes: 2, varint: 0, zigzag: 0, fixed32: 5, fixed64: 1 } as const;

/** A byte order mark is part of a value; what is no UTF-8 is no string. */
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Text of a field of a protobuf message, found in its bytes: only the fields beside it are stepped over, nothing is
 * decoded but the value. As a parser would see it: the last value wins, messages that come in parts are one message,
 * unknown fields, groups and values of another wire type are passed over. (A message in a oneof, that another of the
 * oneof has replaced, is still found: bytes do not tell that they belong together.)
 *
 * Integers are decimal and signed, of the width of the type: `fixed64` above 2^63 reads as negative, in JSON as well, so
 * that the same value is always the same text. Bytes are base64. Undefined for what is not there, what holds its
 * default (which proto3 does not send, so it cannot tell anybody apart), a message that is malformed where it is looked
 * at, and one with more than 16,384 fields. Never throws. Source: protobuf.dev, Encoding.
 */
export function findMessageField(message: Uint8Array, field: FieldPath): string | undefined {
  const { numbers } = field;
  if (numbers.length === 0) return undefined;
  const search: Search = { field, steps: 0, from: -1, to: 0 };
  if (!scan(message, 0, message.length, 0, search) || search.from === -1) return undefined;
  return textOf(message, field.type, search.from, search.to);
}

interface Search {
  readonly field: FieldPath;
  steps: number;
  /** The last value found; -1 before the first. */
  from: number;
  to: number;
}

const at = createVarint();

/** False when the message is malformed or too long to look through. */
function scan(bytes: Uint8Array, from: number, end: number, depth: number, search: Search): boolean {
  const { numbers, type } = search.field;
  const wanted = numbers[depth];
  const isLast = depth === numbers.length - 1;
  const wireType = isLast ? WIRE_TYPES[type] : LENGTH_DELIMITED;
  let i = from;
  while (i < end) {
    if (++search.steps > MAX_FIELDS || !readVarint(bytes, i, end, at) || at.high !== 0) return false;
    const tag = at.low;
    i = at.next;
    const next = skipField(bytes, i, end, tag, at);
    if (next === -1) return false;
    if (tag >>> 3 === wanted && (tag & 7) === wireType) {
      // Lengths stand before what they measure: `start` is where that begins.
      const start = wireType === LENGTH_DELIMITED ? at.next : i;
      if (!isLast) {
        if (!scan(bytes, start, next, depth + 1, search)) return false;
      } else {
        search.from = start;
        search.to = next;
      }
    }
    i = next;
  }
  return true;
}

function textOf(bytes: Uint8Array, type: FieldPath['type'], from: number, to: number): string | undefined {
  if (type === 'string') return from === to ? undefined : decodeText(bytes.subarray(from, to));
  if (type === 'bytes') return from === to ? undefined : encodeBase64(bytes.subarray(from, to));
  const text = integerOf(bytes, type, from, to);
  return text === '0' ? undefined : text;
}

function integerOf(bytes: Uint8Array, type: FieldPath['type'], from: number, to: number): string {
  if (type === 'fixed32') return textOfFixed32(bytes, from);
  if (type === 'fixed64') return textOfFixed64(bytes, from);
  readVarint(bytes, from, to, at);
  return textOfVarint(at, type === 'zigzag');
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch {
    return undefined;
  }
}

function encodeBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
