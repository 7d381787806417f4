import type { IncomingMessage } from 'node:http';
import type { Fields } from '@bascule/core';
import { withoutHopFields } from '../../listener/fields.ts';

/** Names as the law of a call wants them; order and duplicates are kept. */
export function toFields(raw: readonly string[]): Fields {
  const fields: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) fields.push((raw[i] as string).toLowerCase(), raw[i + 1] as string);
  return fields;
}

/** Fields of a response head. What `connection` names is not for us (RFC 9110, 7.6.1). */
export function toHeadFields(raw: readonly string[]): Fields {
  const fields = toFields(raw);
  const named = new Set<string>();
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'connection') continue;
    for (const token of (fields[i + 1] as string).split(',')) named.add(token.trim().toLowerCase());
  }
  // The usual words name no field.
  named.delete('close');
  named.delete('keep-alive');
  const own = withoutHopFields(fields);
  if (named.size === 0) return own;
  return own.filter((_, i) => !named.has(own[i - (i % 2)] as string));
}

/**
 * Whether the end of a body is told by the end of the connection alone, so that a cut one looks whole. Source: RFC 9112,
 * 6.3.
 */
export function isEndedByClose(response: IncomingMessage, method: string): boolean {
  const { statusCode, headers } = response;
  if (method === 'HEAD' || statusCode === 204 || statusCode === 304) return false;
  return headers['content-length'] === undefined && !/chunked$/i.test(headers['transfer-encoding'] ?? '');
}
