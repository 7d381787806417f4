import type { RequestHead } from '@bascule/core';
import { HOP_FIELDS } from '../../hop-fields.ts';

/** Methods whose requests node:http sends without framing a body: bytes of one would be read as the next request. */
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** A request as node:http takes it. */
export interface RawRequest {
  /** Names and values in turn. */
  readonly headers: string[];
  /** Length of the body; undefined where its end is told by chunks. */
  readonly contentLength: number | undefined;
}

/** Prepares a head; a string says what is wrong with it. `ownAuthority` is sent where the head has none. */
export function toRawRequest(head: RequestHead, ownAuthority: string): RawRequest | string {
  const { authority, fields } = head;
  if (!/^[\x21-\x7e]*$/.test(authority)) return 'the authority holds an octet that HTTP/1.1 forbids';
  const headers = ['host', authority === '' ? ownAuthority : authority];
  let contentLength = BODILESS.has(head.method) ? 0 : undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (!HOP_FIELDS.has(name)) {
      headers.push(name, value);
    } else if (name === 'content-length') {
      if (!/^\d{1,15}$/.test(value)) return 'the content-length is no number';
      if (contentLength !== undefined && contentLength !== Number(value)) return 'the content-length does not fit';
      contentLength = Number(value);
    }
  }
  if (contentLength !== undefined && !BODILESS.has(head.method)) headers.push('content-length', String(contentLength));
  return { headers, contentLength };
}
