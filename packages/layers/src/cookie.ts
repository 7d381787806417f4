import type { Fields } from '@bascule/core';

/**
 * Value of the first cookie of a name that has one, over all `cookie` fields: HTTP/2 may cut the list into several
 * (RFC 9113, 8.2.3). Names are case-sensitive; quotes are part of the value. The first one counts, since browsers send
 * the cookie of the longest path first. Source: RFC 6265, 4.2 and 5.4.
 */
export function findCookie(fields: Fields, name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== 'cookie') continue;
    const value = findInList(fields[i + 1] as string, name);
    if (value !== undefined) return value;
  }
  return undefined;
}

function findInList(list: string, name: string): string | undefined {
  let equals = -1;
  for (let start = 0; start < list.length;) {
    // Looked for once per sign: from each semicolon on, a list of nothing else would cost the square of its length.
    if (equals < start) equals = list.indexOf('=', start);
    if (equals === -1) return undefined;
    const semicolon = list.indexOf(';', start);
    const end = semicolon === -1 ? list.length : semicolon;
    if (equals < end && list.slice(start, equals).trim() === name) {
      const value = list.slice(equals + 1, end).trim();
      if (value !== '') return value;
    }
    start = end + 1;
  }
  return undefined;
}

export interface NewCookie {
  readonly name: string;
  readonly value: string;
  /** 0 lives as long as the browser's session. */
  readonly ttlMs: number;
  readonly path: string;
  /** Only to be sent over TLS. */
  readonly isSecure: boolean;
}

/** A `set-cookie` value that no script can read and no other site's form sends. Source: RFC 6265, 4.1. */
export function formatCookie({ name, value, ttlMs, path, isSecure }: NewCookie): string {
  const maxAge = ttlMs > 0 ? `; Max-Age=${Math.ceil(ttlMs / 1000)}` : '';
  return `${name}=${value}; Path=${path}${maxAge}; HttpOnly; SameSite=Lax${isSecure ? '; Secure' : ''}`;
}
