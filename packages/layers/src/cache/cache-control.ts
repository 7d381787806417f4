import { getField, type Fields } from '@bascule/core';

/** What `cache-control` says, of those directives that matter to a cache that never gives out what is stale. */
export interface CacheControl {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly isPrivate: boolean;
  readonly isPublic: boolean;
  readonly maxAgeMs: number | undefined;
  readonly sharedMaxAgeMs: number | undefined;
}

const NONE: CacheControl = {
  noStore: false,
  noCache: false,
  isPrivate: false,
  isPublic: false,
  maxAgeMs: undefined,
  sharedMaxAgeMs: undefined,
};

/** Source: RFC 9111, 5.2. */
export function readCacheControl(fields: Fields): CacheControl {
  if (getField(fields, 'cache-control') === undefined) return NONE;
  const found = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === 'cache-control') readDirectives(fields[i + 1] as string, found);
  }
  return {
    noStore: found.has('no-store'),
    // With a list of fields they would hold for those alone; we keep whole answers or none.
    noCache: found.has('no-cache'),
    isPrivate: found.has('private'),
    isPublic: found.has('public'),
    maxAgeMs: toAgeMs(found.get('max-age')),
    sharedMaxAgeMs: toAgeMs(found.get('s-maxage')),
  };
}

/** Of a directive that comes twice the first one counts. */
function readDirectives(list: string, found: Map<string, string>): void {
  for (const directive of list.split(',')) {
    const equals = directive.indexOf('=');
    const name = (equals === -1 ? directive : directive.slice(0, equals)).trim().toLowerCase();
    const value = equals === -1 ? '' : directive.slice(equals + 1).trim();
    if (!found.has(name)) found.set(name, value);
  }
}

/** What is no number is stale at once (RFC 9111, 4.2.1). */
function toAgeMs(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const digits = /^"?(\d{1,10})"?$/.exec(value)?.[1];
  return digits === undefined ? 0 : Number(digits) * 1000;
}
