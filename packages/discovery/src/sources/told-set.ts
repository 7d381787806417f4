import { isDeepStrictEqual } from 'node:util';
import { endpointKey, type Clock, type Endpoint, type RemovalCause } from '@bascule/core';
import type { SourceChange } from '../source.ts';
import { createExpiries } from './expiries.ts';
import type { Answer } from './feed.ts';
import { createToldEntries, type Entry } from './told-entries.ts';
import { newestOf, weighAnswer, type Verdict } from './weigh-answer.ts';

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

/** An empty set. */
export function createToldSet(clock: Pick<Clock, 'nowMs'>): ToldSet {
  const entries = createToldEntries();
  const expiries = createExpiries(clock);
  /**
   * By instance id, who is listed while a newer process of the same instance is: a late word of an old process. It is
   * nobody's until the newer one leaves; then it is all there is (the clock behind the incarnations was put back).
   */
  const shadows = new Map<string, { readonly endpoint: Endpoint; readonly scope: string }>();

  function shade(endpoint: Endpoint, scope: string): void {
    const other = shadows.get(endpoint.instanceId)?.endpoint;
    if (other === undefined || other.incarnation <= endpoint.incarnation) {
      shadows.set(endpoint.instanceId, { endpoint, scope });
    }
  }

  function put(endpoint: Endpoint, scope: string): SourceChange[] {
    const known = entries.get(endpointKey(endpoint));
    if (known === undefined && entries.isOutdated(endpoint)) {
      shade(endpoint, scope);
      return [];
    }
    const isNews = known === undefined || known.isDoubted || !isDeepStrictEqual(known.endpoint, endpoint);
    expiries.forget(endpointKey(endpoint));
    entries.set(endpoint, { scope, isRemembered: false });
    if (!isNews) return [];
    const older = entries.olderThan(endpoint);
    for (const key of older) entries.drop(key);
    return [
      // The new one first: a set of one must not be empty in between.
      { type: known === undefined ? 'insert' : 'update', endpoint },
      ...older.map((key): SourceChange => ({ type: 'remove', key, cause: 'replaced' })),
    ];
  }

  /** Who stood in the shadow of one that has left or is doubted. */
  function surface(instanceId: string): SourceChange[] {
    const shadow = shadows.get(instanceId);
    if (shadow === undefined || entries.isOutdated(shadow.endpoint)) return [];
    shadows.delete(instanceId);
    return put(shadow.endpoint, shadow.scope);
  }

  function remove(key: string, cause: RemovalCause): SourceChange[] {
    const entry = entries.get(key);
    if (entry === undefined) {
      for (const [id, { endpoint }] of shadows) if (endpointKey(endpoint) === key) shadows.delete(id);
      return [];
    }
    if (cause === 'lease-expired' && expiries.add(key, entries.countOthers(entry))) {
      entry.isOfOldHistory = true;
      return doubt(key, entry, 'its lease ran out together with most others');
    }
    entries.drop(key);
    return [...surface(entry.endpoint.instanceId), { type: 'remove', key, cause }];
  }

  function removeInstance(instanceId: string, cause: RemovalCause): SourceChange[] {
    shadows.delete(instanceId);
    return entries.keysOf(instanceId).flatMap((key) => remove(key, cause));
  }

  function miss(key: string, entry: Entry, { needed, why }: Verdict): SourceChange[] {
    entry.missing++;
    return entry.missing >= needed ? remove(key, 'not-in-source') : doubt(key, entry, why);
  }

  function doubt(key: string, entry: Entry, why: string): SourceChange[] {
    if (!entries.doubt(entry)) return [];
    return [{ type: 'doubt', key, why }, ...surface(entry.endpoint.instanceId)];
  }

  function answer({ endpoints, unreadable = [], history, scope = '' }: Answer): SourceChange[] {
    const newest = newestOf(endpoints);
    const told = new Set([...newest.values()].map(endpointKey));
    const kept = new Set(unreadable);
    for (const [id, shadow] of shadows) if (shadow.scope === scope && !kept.has(id)) shadows.delete(id);
    const changes = [...newest.values()].flatMap((endpoint) => put(endpoint, scope));
    for (const endpoint of endpoints) {
      if (!told.has(endpointKey(endpoint)) && entries.isOutdated(endpoint)) shade(endpoint, scope);
    }
    const within = entries.within(scope);
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
        const mayBeAlive = entry.isOfOldHistory && history !== 'decided';
        return miss(key, entry, mayBeAlive ? { ...verdict, needed: Infinity } : verdict);
      }),
    ];
  }

  return {
    remember(endpoints) {
      for (const endpoint of endpoints) {
        if (entries.get(endpointKey(endpoint)) === undefined) entries.set(endpoint, { scope: '', isRemembered: true });
      }
    },
    answer,
    put: (endpoint) => put(endpoint, ''),
    remove,
    removeInstance,
    digests: () => entries.digests(),
  };
}
