import { isDeepStrictEqual } from 'node:util';
import { endpointKey, type Change, type Endpoint, type RemovalCause } from '@bascule/core';

/** What a source has told so far, and the changes that news make of it. */
export interface KnownSet {
  put(endpoint: Endpoint): Change[];
  remove(key: string, cause: RemovalCause): Change[];
  /** The whole set as the source sees it. What it lacks has left, or is doubted until {@link dropDoubted}. */
  replace(endpoints: readonly Endpoint[], absent: 'left' | 'doubted'): Change[];
  hasDoubted(): boolean;
  dropDoubted(): Change[];
  endpoints(): Endpoint[];
}

interface Entry {
  endpoint: Endpoint;
  state: 'told' | 'doubted';
}

/** `seeds` come from elsewhere, such as the last known set: they are doubted until the source tells them. */
export function createKnownSet(seeds: readonly Endpoint[]): KnownSet {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();
  for (const endpoint of seeds) add(endpoint, 'doubted');

  function add(endpoint: Endpoint, state: Entry['state']): void {
    const key = endpointKey(endpoint);
    entries.set(key, { endpoint, state });
    const keys = keysOf.get(endpoint.instanceId) ?? new Set();
    keysOf.set(endpoint.instanceId, keys.add(key));
  }

  function remove(key: string, cause: RemovalCause): Change[] {
    const entry = entries.get(key);
    if (entry === undefined) return [];
    entries.delete(key);
    const keys = keysOf.get(entry.endpoint.instanceId);
    keys?.delete(key);
    if (keys?.size === 0) keysOf.delete(entry.endpoint.instanceId);
    return [{ type: 'remove', key, cause }];
  }

  function put(endpoint: Endpoint): Change[] {
    const key = endpointKey(endpoint);
    const known = entries.get(key);
    if (known !== undefined) {
      const isSame = isDeepStrictEqual(known.endpoint, endpoint);
      entries.set(key, { endpoint, state: 'told' });
      return isSame ? [] : [{ type: 'update', endpoint }];
    }
    const older = [...(keysOf.get(endpoint.instanceId) ?? [])].filter((other) => {
      return (entries.get(other)?.endpoint.incarnation ?? 0) < endpoint.incarnation;
    });
    add(endpoint, 'told');
    // The new one first: a set of one must not be empty in between.
    return [{ type: 'insert', endpoint }, ...older.flatMap((other) => remove(other, 'replaced'))];
  }

  function dropDoubted(): Change[] {
    const doubted = [...entries].filter(([, entry]) => entry.state === 'doubted');
    return doubted.flatMap(([key]) => remove(key, 'not-in-source'));
  }

  return {
    put,
    remove,
    replace(endpoints, absent) {
      const told = new Set(endpoints.map(endpointKey));
      const changes = endpoints.flatMap(put);
      const missing = [...entries].filter(([key, entry]) => !told.has(key) && entry.state === 'told');
      if (absent === 'left') return [...changes, ...missing.flatMap(([key]) => remove(key, 'not-in-source'))];
      for (const [, entry] of missing) entry.state = 'doubted';
      return changes;
    },
    hasDoubted: () => [...entries.values()].some((entry) => entry.state === 'doubted'),
    dropDoubted,
    endpoints: () => [...entries.values()].map((entry) => entry.endpoint),
  };
}
