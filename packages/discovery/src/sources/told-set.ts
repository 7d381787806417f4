import { isDeepStrictEqual } from 'node:util';
import { endpointKey, type Clock, type Endpoint, type RemovalCause } from '@bascule/core';
import type { SourceChange } from '../source.ts';
import { createDigestCount } from './digest-count.ts';
import { createExpiries } from './expiries.ts';
import type { Answer } from './feed.ts';
import { newestOf, weighAnswer } from './weigh-answer.ts';

/** What a source has told so far, and the changes that news make of it. */
export interface ToldSet {
  /**
   * Takes who was known before, and is doubted by whoever listens: what the source says of them is news, that they left
   * as well. To be missing from a history says nothing of them, since nobody knows whether it is the same one.
   */
  remember(endpoints: readonly Endpoint[]): void;
  answer(answer: Answer): SourceChange[];
  put(endpoint: Endpoint): SourceChange[];
  /**
   * Counts always, but for leases that run out: when most do so together, those beyond half are only doubted, for checks
   * to confirm. What a system did not hear is no word of anybody's.
   */
  remove(key: string, cause: RemovalCause): SourceChange[];
  removeInstance(instanceId: string, cause: RemovalCause): SourceChange[];
  /** Digests that present endpoints name; the same object for as long as they are the same. */
  digests(): ReadonlySet<string>;
}

interface Entry {
  readonly endpoint: Endpoint;
  /** See Answer.scope. */
  readonly scope: string;
  /** Answers in a row that lack it; 0 for one that is told. */
  missing: number;
  isDoubted: boolean;
  /**
   * The present history never had it, since it was told by one that is over, or has dropped it when most of the leases
   * ran out: missing there says nothing.
   */
  isOfOldHistory: boolean;
  /** Known from before, and not told since. */
  readonly isRemembered: boolean;
}

/** An empty set. */
export function createToldSet(clock: Pick<Clock, 'nowMs'>): ToldSet {
  const entries = new Map<string, Entry>();
  const expiries = createExpiries(clock);
  let doubted = 0;
  const keysOf = new Map<string, Set<string>>();
  const digests = createDigestCount();
  /**
   * By instance id, who is listed while a newer process of the same instance is: a late word of an old process. It is
   * nobody's until the newer one leaves; then it is all there is (the clock behind the incarnations was put back).
   */
  const shadows = new Map<string, { readonly endpoint: Endpoint; readonly scope: string }>();

  function set(endpoint: Endpoint, scope: string, isRemembered = false): void {
    const key = endpointKey(endpoint);
    const known = entries.get(key);
    digests.swap(known?.endpoint.schemaDigest, endpoint.schemaDigest);
    if (known?.isDoubted === true) doubted--;
    expiries.forget(key);
    if (isRemembered) doubted++;
    entries.set(key, { endpoint, scope, missing: 0, isDoubted: isRemembered, isOfOldHistory: false, isRemembered });
    keysOf.set(endpoint.instanceId, (keysOf.get(endpoint.instanceId) ?? new Set()).add(key));
  }

  function drop(key: string, { endpoint, isDoubted }: Entry): void {
    entries.delete(key);
    if (isDoubted) doubted--;
    digests.swap(endpoint.schemaDigest, undefined);
    const keys = keysOf.get(endpoint.instanceId);
    keys?.delete(key);
    if (keys?.size === 0) keysOf.delete(endpoint.instanceId);
  }

  /** Other incarnations of an instance that are in the set. */
  function othersOf(endpoint: Endpoint): { key: string; entry: Entry }[] {
    return [...(keysOf.get(endpoint.instanceId) ?? [])]
      .map((key) => ({ key, entry: entries.get(key) as Entry }))
      .filter(({ entry }) => entry.endpoint.incarnation !== endpoint.incarnation);
  }

  /** Counts only while it is told: a doubted one may be dead, and who is told must not wait for that. */
  function isOutdated(endpoint: Endpoint): boolean {
    return othersOf(endpoint).some(({ entry }) => {
      return entry.endpoint.incarnation > endpoint.incarnation && !entry.isDoubted;
    });
  }

  function shade(endpoint: Endpoint, scope: string): void {
    const other = shadows.get(endpoint.instanceId)?.endpoint;
    if (other === undefined || other.incarnation <= endpoint.incarnation) {
      shadows.set(endpoint.instanceId, { endpoint, scope });
    }
  }

  function put(endpoint: Endpoint, scope: string): SourceChange[] {
    const known = entries.get(endpointKey(endpoint));
    if (known === undefined && isOutdated(endpoint)) {
      shade(endpoint, scope);
      return [];
    }
    const isNews = known === undefined || known.isDoubted || !isDeepStrictEqual(known.endpoint, endpoint);
    set(endpoint, scope);
    if (!isNews) return [];
    const older = othersOf(endpoint).filter(({ entry }) => entry.endpoint.incarnation < endpoint.incarnation);
    for (const { key, entry } of older) drop(key, entry);
    return [
      // The new one first: a set of one must not be empty in between.
      { type: known === undefined ? 'insert' : 'update', endpoint },
      ...older.map(({ key }): SourceChange => ({ type: 'remove', key, cause: 'replaced' })),
    ];
  }

  /** Who stood in the shadow of one that has left or is doubted. */
  function surface(instanceId: string): SourceChange[] {
    const shadow = shadows.get(instanceId);
    if (shadow === undefined || isOutdated(shadow.endpoint)) return [];
    shadows.delete(instanceId);
    return put(shadow.endpoint, shadow.scope);
  }

  function remove(key: string, cause: RemovalCause): SourceChange[] {
    const entry = entries.get(key);
    if (entry === undefined) {
      for (const [id, { endpoint }] of shadows) if (endpointKey(endpoint) === key) shadows.delete(id);
      return [];
    }
    if (cause === 'lease-expired' && expiries.add(key, countOthers(entry))) {
      entry.isOfOldHistory = true;
      return doubt(key, entry, 'its lease ran out together with most others');
    }
    drop(key, entry);
    return [...surface(entry.endpoint.instanceId), { type: 'remove', key, cause }];
  }

  function removeInstance(instanceId: string, cause: RemovalCause): SourceChange[] {
    shadows.delete(instanceId);
    return [...(keysOf.get(instanceId) ?? [])].flatMap((key) => remove(key, cause));
  }

  function miss(key: string, needed: number, why: string): SourceChange[] {
    const entry = entries.get(key) as Entry;
    entry.missing++;
    return entry.missing >= needed ? remove(key, 'not-in-source') : doubt(key, entry, why);
  }

  function doubt(key: string, entry: Entry, why: string): SourceChange[] {
    if (entry.isDoubted) return [];
    entry.isDoubted = true;
    doubted++;
    return [{ type: 'doubt', key, why }, ...surface(entry.endpoint.instanceId)];
  }

  /** Those that are told beside it. */
  function countOthers({ isDoubted }: Entry): number {
    return entries.size - doubted - (isDoubted ? 0 : 1);
  }

  function answer({ endpoints, unreadable = [], history, scope = '' }: Answer): SourceChange[] {
    const newest = newestOf(endpoints);
    const told = new Set([...newest.values()].map(endpointKey));
    const kept = new Set(unreadable);
    for (const [id, shadow] of shadows) if (shadow.scope === scope && !kept.has(id)) shadows.delete(id);
    const changes = [...newest.values()].flatMap((endpoint) => put(endpoint, scope));
    for (const endpoint of endpoints) {
      if (!told.has(endpointKey(endpoint)) && isOutdated(endpoint)) shade(endpoint, scope);
    }
    const within = [...entries].filter(([, entry]) => entry.scope === scope);
    const absent = within.filter(([key, { endpoint }]) => !told.has(key) && !kept.has(endpoint.instanceId));
    for (const [, entry] of absent) {
      entry.isOfOldHistory ||= history === 'new' || (history === 'same' && entry.isRemembered);
    }
    const leaving = absent.filter(([, entry]) => !entry.isOfOldHistory);
    const stay = within.length - absent.length;
    // One in which nothing is readable is empty as well.
    const isEmpty = endpoints.length === 0 && stay === 0;
    const verdict = weighAnswer({ history, isEmpty, isMost: leaving.length > stay });
    return [
      ...changes,
      ...absent.flatMap(([key, entry]) => {
        const needed = entry.isOfOldHistory && history !== 'decided' ? Infinity : verdict.needed;
        return miss(key, needed, verdict.why);
      }),
    ];
  }

  return {
    remember(endpoints) {
      for (const endpoint of endpoints) if (!entries.has(endpointKey(endpoint))) set(endpoint, '', true);
    },
    answer,
    put: (endpoint) => put(endpoint, ''),
    remove,
    removeInstance,
    digests: () => digests.present(),
  };
}
