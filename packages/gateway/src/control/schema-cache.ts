import type { FieldPath, MethodFacts } from '@bascule/core';
import { methodFactsOf, parseSchema, requestFieldOf } from '@bascule/schema';

/** What schemas say, remembered: reading descriptors costs milliseconds, pictures are made often. */
export interface SchemaCache {
  /** Undefined when the schema is not known (yet). */
  methodsOf(digest: string): readonly MethodFacts[] | undefined;
  /** A field of a method's request; undefined where the schema is not known or has none. */
  fieldOf(digest: string, service: string, method: string, path: string): FieldPath | undefined;
}

/** More than are in use at once; the oldest goes first and is read again if it is still needed. */
const MAX_SCHEMAS = 512;

interface Known {
  readonly methods: readonly MethodFacts[];
  readonly fields: Map<string, FieldPath | undefined>;
  /** Made when the first field is asked for, and then for all: reading it costs as much as reading the methods. */
  registry: ReturnType<typeof parseSchema> | undefined;
}

export function createSchemaCache(
  schemaOf: (digest: string) => Uint8Array | undefined,
  log: (message: string) => void,
): SchemaCache {
  const known = new Map<string, Known>();

  function find(digest: string): Known | undefined {
    const before = known.get(digest);
    if (before !== undefined) return before;
    const schema = schemaOf(digest);
    if (schema === undefined) return undefined;
    const read: Known = { methods: readMethods(digest, schema, log), fields: new Map(), registry: undefined };
    known.set(digest, read);
    if (known.size > MAX_SCHEMAS) known.delete(known.keys().next().value as string);
    return read;
  }

  return {
    methodsOf: (digest) => find(digest)?.methods,
    fieldOf(digest, service, method, path) {
      const entry = find(digest);
      // A schema that could not be read has no methods, and must not be read again for each field.
      if (entry === undefined || entry.methods.length === 0) return undefined;
      const id = `${service}/${method} ${path}`;
      if (!entry.fields.has(id)) {
        const schema = schemaOf(digest);
        if (schema === undefined) return undefined;
        entry.registry ??= parseSchema(schema);
        entry.fields.set(id, requestFieldOf(entry.registry, service, method, path));
      }
      return entry.fields.get(id);
    },
  };
}

function readMethods(digest: string, schema: Uint8Array, log: (message: string) => void): readonly MethodFacts[] {
  try {
    return methodFactsOf(schema);
  } catch (error) {
    // A broken schema makes its methods unknown, which is safe; it must not stop the others.
    log(`schema ${digest} cannot be read: ${(error as Error).message}`);
    return [];
  }
}
