import { getField, type RequestHead } from '@bascule/core';

/** How an origin may call. */
export type Permission =
  | { readonly type: 'none' }
  | { readonly type: 'any' }
  | { readonly type: 'listed'; readonly origin: string };

const NONE: Permission = { type: 'none' };
const ANY: Permission = { type: 'any' };

/** Makes the judge of origins: exact matches; `*` permits the rest. Case and default ports are as browsers send them. */
export function createOrigins(allowOrigins: readonly string[]): (origin: string) => Permission {
  const listed = new Map(
    allowOrigins
      .filter((origin) => origin !== '*' && origin !== 'null')
      .map((origin) => [origin, { type: 'listed', origin } as const]),
  );
  const rest = allowOrigins.includes('*') ? ANY : NONE;
  return (origin) => listed.get(origin) ?? rest;
}

/** The origin of a request from another site; undefined when there is none or it is the site itself. */
export function crossOriginOf(head: RequestHead): string | undefined {
  const origin = getField(head.fields, 'origin');
  if (origin === undefined || origin === `${head.scheme}://${head.authority}`) return undefined;
  return origin;
}
