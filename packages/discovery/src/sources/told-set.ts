import { isDeepStrictEqual } from 'node:util';
import { endpointKey, type Endpoint, type RemovalCause } from '@bascule/core';
import type { SourceChange } from '../source.ts';
import type { Answer } from './feed.ts';

/** What a source has told so far, and the changes that news make of it. */
export interface ToldSet {
  answer(answer: Answer): SourceChange[];
  put(endpoint: Endpoint): SourceChange[];
  remove(key: string, cause: RemovalCause): SourceChange[];
  removeInstance(instanceId: string, cause: RemovalCause): SourceChange[];
  endpoints(): Endpoint[];
}

interface Entry {
  endpoint: Endpoint;
  /** Answers in a row that lack it; 0 for one that is told. */
  missing: number;
  isDoubted: boolean;
}

/** An empty set. */
export function createToldSet(): ToldSet {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();

  function add(endpoint: Endpoint): void {
    const key = endpointKey(endpoint);
    entries.set(key, { endpoint, missing: 0, isDoubted: false });
    keysOf.set(endpoint.instanceId, (keysOf.get(endpoint.instanceId) ?? new Set()).add(key));
  }

  function remove(key: string, cause: RemovalCause): SourceChange[] {
    const entry = entries.get(key);
    if (entry === undefined) return [];
    entries.delete(key);
    const keys = keysOf.get(entry.endpoint.instanceId);
    keys?.delete(key);
    if (keys?.size === 0) keysOf.delete(entry.endpoint.instanceId);
    return [{ type: 'remove', key, cause }];
  }

  function put(endpoint: Endpoint): SourceChange[] {
    const key = endpointKey(endpoint);
    const known = entries.get(key);
    if (known !== undefined) {
      const isNews = known.isDoubted || !isDeepStrictEqual(known.endpoint, endpoint);
      entries.set(key, { endpoint, missing: 0, isDoubted: false });
      return isNews ? [{ type: 'update', endpoint }] : [];
    }
    const older = [...(keysOf.get(endpoint.instanceId) ?? [])].filter((other) => {
      return (entries.get(other)?.endpoint.incarnation ?? 0) < endpoint.incarnation;
    });
    add(endpoint);
    // The new one first: a set of one must not be empty in between.
    return [{ type: 'insert', endpoint }, ...older.flatMap((other) => remove(other, 'replaced'))];
  }

  function miss(key: string, needed: number, why: string): SourceChange[] {
    const entry = entries.get(key) as Entry;
    entry.missing++;
    if (entry.missing >= needed) return remove(key, 'not-in-source');
    if (entry.isDoubted) return [];
    entry.isDoubted = true;
    return [{ type: 'doubt', key, why }];
  }

  return {
    put,
    remove,
    removeInstance: (instanceId, cause) => [...(keysOf.get(instanceId) ?? [])].flatMap((key) => remove(key, cause)),
    answer({ endpoints, unreadable = [], history }) {
      const told = new Set(endpoints.map(endpointKey));
      const kept = new Set(unreadable);
      const changes = endpoints.flatMap(put);
      const absent = [...entries].filter(([key, { endpoint }]) => !told.has(key) && !kept.has(endpoint.instanceId));
      const isMost = absent.length * 2 > entries.size;
      const isEmpty = endpoints.length === 0 && kept.size === 0;
      const needed = history === 'new' || isEmpty ? Infinity : ANSWERS[history] + (isMost ? 1 : 0);
      const why = whyDoubted(history, isEmpty, isMost);
      return [...changes, ...absent.flatMap(([key]) => miss(key, needed, why))];
    },
    endpoints: () => [...entries.values()].map((entry) => entry.endpoint),
  };
}

/** Answers without an endpoint until it counts as gone, for up to half of the set. */
const ANSWERS = { same: 1, none: 2 } as const;

function whyDoubted(history: Answer['history'], isEmpty: boolean, isMost: boolean): string {
  if (isEmpty) return 'the source answers with nothing';
  if (history === 'new') return 'the source has started anew and does not know it yet';
  return isMost ? 'the source misses more than half at once' : 'missing in one answer of the source';
}
