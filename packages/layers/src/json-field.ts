import type { FieldPath } from '@bascule/core';

/** JSON must be read whole to find a field of it; longer messages have no key. */
const MAX_JSON_BYTES = 65_536;

const DECODER = new TextDecoder();

/**
 * Text of a field of a message in JSON, the same as `findMessageField` gives for its bytes in protobuf. Names are taken
 * as JSON has them (`userId`) and as the proto has them (`user_id`), as parsers do. An enum's name stays a name, and a
 * `google.protobuf` type that JSON writes in its own way is not looked into. Undefined as well for messages over 64 KiB.
 * Never throws. Source: protobuf.dev, ProtoJSON Format.
 */
export function findJsonField(message: Uint8Array, field: FieldPath): string | undefined {
  if (message.length > MAX_JSON_BYTES) return undefined;
  const protoNames = field.path.split('.');
  let value: unknown;
  try {
    value = JSON.parse(DECODER.decode(message));
  } catch {
    return undefined;
  }
  for (let i = 0; i < field.jsonNames.length; i++) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    value = memberOf(value as Record<string, unknown>, field.jsonNames[i] as string, protoNames[i]);
  }
  const text = textOf(value, field.type);
  const isDefault = text === '' || (text === '0' && field.type !== 'string');
  return isDefault ? undefined : text;
}

/** Own members only: `constructor` is a name like any other. */
function memberOf(object: Record<string, unknown>, jsonName: string, protoName: string | undefined): unknown {
  if (Object.hasOwn(object, jsonName)) return object[jsonName];
  return protoName !== undefined && Object.hasOwn(object, protoName) ? object[protoName] : undefined;
}

function textOf(value: unknown, type: FieldPath['type']): string | undefined {
  if (typeof value === 'boolean') return type === 'varint' ? String(Number(value)) : undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  if (type !== 'string' && type !== 'bytes') return canonicalInteger(String(value), type);
  if (typeof value === 'number') return undefined;
  return type === 'string' ? value : canonicalBase64(value);
}

/** Both alphabets are lawful, with and without padding. */
function canonicalBase64(text: string): string | undefined {
  try {
    return btoa(atob(text.replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return undefined;
  }
}

/** Integers may be written `7`, `"7"`, `7.0` or `7e0`; what is none, as the name of an enum, stays as it is. */
function canonicalInteger(text: string, type: FieldPath['type']): string {
  const isDigits = /^-?\d{1,20}$/.test(text);
  const number = Number(text);
  if (!isDigits && !(text.trim() !== '' && Number.isSafeInteger(number))) return text;
  const value = BigInt(isDigits ? text : number);
  return String(BigInt.asIntN(type === 'fixed32' ? 32 : 64, value));
}
