import { getAllFields, getField, type CachePolicy, type Fields } from '@bascule/core';
import { readCacheControl } from './cache-control.ts';

/** What may be done with an answer. */
export interface Freshness {
  /** Time for which it may be given to later calls, in ms. */
  readonly lifetimeMs: number;
  /** Its age when it came, in ms. */
  readonly ageMs: number;
  /** Whether calls with credentials of nobody we know may have it. */
  readonly isPublic: boolean;
}

/** Encodings are part of every key. */
const ALWAYS_VARIED: ReadonlySet<string> = new Set(['accept-encoding', 'grpc-accept-encoding', 'grpc-encoding']);

/** Undefined for an answer that only its own caller may have. Source: RFC 9111, 3 and 4.2. */
export function freshnessOf(fields: Fields, policy: CachePolicy): Freshness | undefined {
  const said = readCacheControl(fields);
  if (said.noStore || said.noCache || said.isPrivate || !isVariedWithin(fields, policy)) return undefined;
  // What is set for one caller is not for another.
  if (getField(fields, 'set-cookie') !== undefined) return undefined;
  const ageMs = ageOf(fields);
  const saidMs = said.sharedMaxAgeMs ?? said.maxAgeMs;
  return {
    lifetimeMs: saidMs === undefined ? policy.ttlMs : Math.max(0, saidMs - ageMs),
    ageMs,
    isPublic: said.isPublic,
  };
}

/** Whether everything that the answer depends on is in the key. */
function isVariedWithin(fields: Fields, { varyOn = [] }: CachePolicy): boolean {
  for (const list of getAllFields(fields, 'vary')) {
    for (const item of list.split(',')) {
      const name = item.trim().toLowerCase();
      const isKnown = name === '' || ALWAYS_VARIED.has(name) || varyOn.some((one) => one.toLowerCase() === name);
      if (!isKnown) return false;
    }
  }
  return true;
}

function ageOf(fields: Fields): number {
  const age = getField(fields, 'age');
  return age !== undefined && /^\d{1,10}$/.test(age) ? Number(age) * 1000 : 0;
}
