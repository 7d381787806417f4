import { withoutFields, type Fields } from '@bascule/core';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// RFC 9110, 5.5: visible octets, space, tab and obs-text. CR, LF and NUL would let an upstream write heads of its own.
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Fields that belong to one connection (RFC 9110, 7.6.1) and so are never passed on to the next. */
export const HOP_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** True if the pair can stand in a head. */
export function isSendable(name: string, value: string): boolean {
  return TOKEN.test(name) && VALUE.test(value);
}

/** Without what belongs to the connection; the same array when there is nothing to take out. */
export function withoutHopFields(fields: Fields): Fields {
  for (let i = 0; i < fields.length; i += 2) {
    if (HOP_FIELDS.has(fields[i] as string)) return withoutFields(fields, HOP_FIELDS);
  }
  return fields;
}

/** Lower-case and without pairs that no head can carry: one bad field of an upstream must not cost the whole answer. */
export function toSendable(fields: Fields): string[] {
  const kept: string[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    const value = fields[i + 1] as string;
    if (isSendable(name, value) && !HOP_FIELDS.has(name)) kept.push(name, value);
  }
  return kept;
}
