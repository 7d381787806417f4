import type { Origin } from './statement.ts';

/** Descriptors by digest, for as long as somebody names them. */
export interface SchemaShelf {
  /** A statement of `origin` begins (1) or ceases (-1) to name a digest. */
  name(digest: string, by: 1 | -1, origin: Origin): void;
  /** Descriptors have arrived. Returns false when nobody names them, or they are there. */
  put(digest: string, schema: Uint8Array): boolean;
  get(digest: string): Uint8Array | undefined;
  all(): Map<string, Uint8Array>;
  /** Drops what nobody names any more: after a batch, since what leaves and comes back in one is still needed. */
  sweep(): void;
}

/** An empty shelf. */
export function createSchemaShelf(): SchemaShelf {
  const counts = new Map<string, number>();
  const schemas = new Map<string, Uint8Array>();
  const unnamed = new Set<string>();

  function put(digest: string, schema: Uint8Array): boolean {
    if (!counts.has(digest) || schemas.has(digest)) return false;
    schemas.set(digest, schema);
    return true;
  }

  return {
    put,
    name(digest, by, origin) {
      if (digest === '') return;
      const count = (counts.get(digest) ?? 0) + by;
      if (count === 0) {
        counts.delete(digest);
        unnamed.add(digest);
        return;
      }
      counts.set(digest, count);
      unnamed.delete(digest);
      if (schemas.has(digest)) return;
      const schema = origin.schemaFor(digest);
      if (schema !== undefined) put(digest, schema);
    },
    get: (digest) => schemas.get(digest),
    all: () => new Map(schemas),
    sweep() {
      for (const digest of unnamed) schemas.delete(digest);
      unnamed.clear();
    },
  };
}
