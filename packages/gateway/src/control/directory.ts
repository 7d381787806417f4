import { endpointKey, type Change, type Endpoint } from '@bascule/core';

/** Sources by rank: where two know the same endpoint, the first says what it is. */
const RANKS = ['static', 'registry', 'last-known'] as const;
export type SourceName = (typeof RANKS)[number];

export interface KnownEndpoint {
  readonly endpoint: Endpoint;
  readonly source: SourceName;
}

/** Who is there, over all sources. Knows nothing of balancers. */
export interface Directory {
  apply(source: SourceName, changes: readonly Change[]): void;
  /** The whole of what a source knows, in place of what it knew before. */
  replace(source: SourceName, endpoints: readonly Endpoint[]): void;
  /** Forgets what only this source knows: used for the last-known set once the registry has had time to speak. */
  forget(source: SourceName): void;
  addSchema(digest: string, schema: Uint8Array): void;
  schema(digest: string): Uint8Array | undefined;
  endpoints(): KnownEndpoint[];
  /** Schemas of the endpoints that are known. */
  schemas(): Map<string, Uint8Array>;
}

/** `onChange` runs after each change that may alter the picture. */
export function createDirectory(onChange: () => void): Directory {
  const sources = new Map(RANKS.map((rank) => [rank, new Map<string, Endpoint>()]));
  const schemas = new Map<string, Uint8Array>();
  const known = (source: SourceName): Map<string, Endpoint> => sources.get(source) as Map<string, Endpoint>;

  /** The registry's word about an instance, be it a new start or a removal, ends what the disk remembers of it. */
  function overrule(instanceId: string): void {
    const remembered = known('last-known');
    for (const [key, endpoint] of remembered) {
      if (endpoint.instanceId === instanceId) remembered.delete(key);
    }
  }

  function applyOne(source: SourceName, change: Change): void {
    if (change.type === 'remove') {
      const endpoint = known(source).get(change.key) ?? known('last-known').get(change.key);
      known(source).delete(change.key);
      if (source !== 'last-known' && endpoint !== undefined) overrule(endpoint.instanceId);
      return;
    }
    if (source !== 'last-known') overrule(change.endpoint.instanceId);
    known(source).set(endpointKey(change.endpoint), change.endpoint);
  }

  return {
    apply(source, changes) {
      for (const change of changes) applyOne(source, change);
      if (changes.length > 0) onChange();
    },
    replace(source, endpoints) {
      const next = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
      sources.set(source, next);
      for (const { instanceId } of endpoints) overrule(instanceId);
      onChange();
    },
    forget(source) {
      if (known(source).size === 0) return;
      known(source).clear();
      onChange();
    },
    addSchema(digest, schema) {
      if (schemas.has(digest)) return;
      schemas.set(digest, schema);
      onChange();
    },
    schema: (digest) => schemas.get(digest),
    endpoints() {
      const byKey = new Map<string, KnownEndpoint>();
      for (const source of RANKS) {
        for (const [key, endpoint] of known(source)) {
          if (!byKey.has(key)) byKey.set(key, { endpoint, source });
        }
      }
      return [...byKey.values()];
    },
    schemas() {
      const used = new Set(RANKS.flatMap((rank) => [...known(rank).values()].map((endpoint) => endpoint.schemaDigest)));
      return new Map([...schemas].filter(([digest]) => used.has(digest)));
    },
  };
}
