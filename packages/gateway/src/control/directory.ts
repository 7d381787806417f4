import { endpointKey, type Change, type Endpoint } from '@bascule/core';

/** Sources by rank: where two know the same endpoint, the first says what it is. */
const RANKS = ['static', 'registry'] as const;
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

  /** A schema that nobody names any more goes: each start of a changed backend would add one. */
  function dropUnused(): void {
    const used = new Set(RANKS.flatMap((rank) => [...known(rank).values()].map((endpoint) => endpoint.schemaDigest)));
    for (const digest of schemas.keys()) {
      if (!used.has(digest)) schemas.delete(digest);
    }
  }

  return {
    apply(source, changes) {
      for (const change of changes) {
        if (change.type === 'remove') known(source).delete(change.key);
        else known(source).set(endpointKey(change.endpoint), change.endpoint);
      }
      if (changes.length > 0) onChange();
    },
    replace(source, endpoints) {
      sources.set(source, new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint])));
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
      dropUnused();
      return new Map(schemas);
    },
  };
}
