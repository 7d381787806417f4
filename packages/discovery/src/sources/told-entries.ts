import { endpointKey, type Endpoint } from '@bascule/core';
import { createDigestCount } from './digest-count.ts';

/** One process of an instance, as it was told last. */
export interface Entry {
  readonly endpoint: Endpoint;
  /** See Answer.scope. */
  readonly scope: string;
  /** Answers in a row that lack it; 0 for one that is told. */
  missing: number;
  /** Changed by `doubt` alone, which counts. */
  isDoubted: boolean;
  /**
   * The present history never had it, since it was told by one that is over, or has dropped it when most of the leases
   * ran out: missing there says nothing.
   */
  isOfOldHistory: boolean;
  /** Known from before, and not told since. */
  readonly isRemembered: boolean;
}

/** Who is in a told set: by key, by instance, and counted. */
export interface ToldEntries {
  get(key: string): Entry | undefined;
  /** What was told last within a scope, by key. */
  within(scope: string): [string, Entry][];
  /** Puts in what is told, or known from before, in place of what was known of it. */
  set(endpoint: Endpoint, about: Pick<Entry, 'scope' | 'isRemembered'>): void;
  /** Takes out one that is in. */
  drop(key: string): void;
  /** False where it was doubted before. */
  doubt(entry: Entry): boolean;
  keysOf(instanceId: string): string[];
  /** Keys of older processes of the instance. */
  olderThan(endpoint: Endpoint): string[];
  /**
   * Whether a newer process of the instance is told. A doubted one may be dead, and who is told must not wait for that.
   */
  isOutdated(endpoint: Endpoint): boolean;
  /** How many are told beside this one. */
  countOthers(entry: Entry): number;
  /** Digests that they name; the same object for as long as they are the same. */
  digests(): ReadonlySet<string>;
}

export function createToldEntries(): ToldEntries {
  const entries = new Map<string, Entry>();
  const keysOf = new Map<string, Set<string>>();
  const digests = createDigestCount();
  let doubted = 0;

  function othersOf({ instanceId, incarnation }: Endpoint): [string, Entry][] {
    return [...(keysOf.get(instanceId) ?? [])]
      .map((key): [string, Entry] => [key, entries.get(key) as Entry])
      .filter(([, entry]) => entry.endpoint.incarnation !== incarnation);
  }

  return {
    get: (key) => entries.get(key),
    within: (scope) => [...entries].filter(([, entry]) => entry.scope === scope),
    set(endpoint, { scope, isRemembered }) {
      const key = endpointKey(endpoint);
      const known = entries.get(key);
      digests.swap(known?.endpoint.schemaDigest, endpoint.schemaDigest);
      doubted += (isRemembered ? 1 : 0) - (known?.isDoubted === true ? 1 : 0);
      entries.set(key, { endpoint, scope, missing: 0, isDoubted: isRemembered, isOfOldHistory: false, isRemembered });
      keysOf.set(endpoint.instanceId, (keysOf.get(endpoint.instanceId) ?? new Set()).add(key));
    },
    drop(key) {
      const { endpoint, isDoubted } = entries.get(key) as Entry;
      entries.delete(key);
      if (isDoubted) doubted--;
      digests.swap(endpoint.schemaDigest, undefined);
      const keys = keysOf.get(endpoint.instanceId);
      keys?.delete(key);
      if (keys?.size === 0) keysOf.delete(endpoint.instanceId);
    },
    doubt(entry) {
      if (entry.isDoubted) return false;
      entry.isDoubted = true;
      doubted++;
      return true;
    },
    keysOf: (instanceId) => [...(keysOf.get(instanceId) ?? [])],
    olderThan(endpoint) {
      const older = othersOf(endpoint).filter(([, entry]) => entry.endpoint.incarnation < endpoint.incarnation);
      return older.map(([key]) => key);
    },
    isOutdated(endpoint) {
      return othersOf(endpoint).some(([, entry]) => {
        return entry.endpoint.incarnation > endpoint.incarnation && !entry.isDoubted;
      });
    },
    countOthers: ({ isDoubted }) => entries.size - doubted - (isDoubted ? 0 : 1),
    digests: () => digests.present(),
  };
}
