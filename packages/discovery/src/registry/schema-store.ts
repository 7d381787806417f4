import { digestOf, parseSchema } from '@bascule/schema';
import { Code, ConnectError } from '@connectrpc/connect';
import { invalid } from './validation.ts';

const MAX_SCHEMA_BYTES = 2 * 1024 * 1024;
const MAX_STORE_BYTES = 64 * 1024 * 1024;

/** Descriptors by digest, kept while a registration uses them. */
export interface SchemaStore {
  /** Takes descriptors for a registration that names `digest`. Throws when they are missing, broken or too much. */
  offer(digest: string, schema: Uint8Array): void;
  get(digest: string): Uint8Array | undefined;
  retain(digest: string): void;
  release(digest: string): void;
  /** Forgets `digest` when nobody retained it after the offer. */
  dropUnused(digest: string): void;
}

/** An empty store, bounded in bytes. */
export function createSchemaStore(): SchemaStore {
  const entries = new Map<string, { schema: Uint8Array; users: number }>();
  let storedBytes = 0;

  function dropUnused(digest: string): void {
    const entry = entries.get(digest);
    if (entry === undefined || entry.users > 0) return;
    entries.delete(digest);
    storedBytes -= entry.schema.length;
  }

  function add(digest: string, users: number): void {
    const entry = entries.get(digest);
    if (entry !== undefined) entry.users += users;
  }

  return {
    offer(digest, schema) {
      if (digest === '' || entries.has(digest)) return;
      validateSchema(digest, schema);
      if (storedBytes + schema.length > MAX_STORE_BYTES) {
        throw new ConnectError('the registry holds too many descriptors already', Code.ResourceExhausted);
      }
      // A copy: what arrives is a view of the whole request.
      entries.set(digest, { schema: new Uint8Array(schema), users: 0 });
      storedBytes += schema.length;
    },
    get: (digest) => entries.get(digest)?.schema,
    retain: (digest) => add(digest, 1),
    release(digest) {
      add(digest, -1);
      dropUnused(digest);
    },
    dropUnused,
  };
}

function validateSchema(digest: string, schema: Uint8Array): void {
  if (schema.length === 0) throw invalid('schema', `is needed: the registry does not know ${digest} yet`);
  if (schema.length > MAX_SCHEMA_BYTES) throw invalid('schema', `is larger than ${MAX_SCHEMA_BYTES} bytes`);
  if (digestOf(schema) !== digest) throw invalid('schema', 'does not have the digest endpoint.schema_digest');
  try {
    parseSchema(schema);
  } catch {
    throw invalid('schema', 'is not a google.protobuf.FileDescriptorSet with all its imports');
  }
}
