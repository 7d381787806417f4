import { digestOf, parseSchema } from '@bascule/schema';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Lease } from './lease.ts';
import type { RegistryLimits } from './limits.ts';
import { createTally } from './tally.ts';
import { invalid } from './validation.ts';

const MAX_SCHEMA_BYTES = 2 * 1024 * 1024;

/** Descriptors by digest, kept while a registration uses them. */
export interface SchemaStore {
  /** Takes descriptors for a registration that names `digest`. Throws when they are missing, broken or too much. */
  offer(offer: {
    readonly digest: string;
    readonly schema: Uint8Array;
    readonly principal: string;
    readonly isBounded: boolean;
  }): void;
  /** Undefined when nobody uses them for whom `isSeen` holds. */
  get(digest: string, isSeen: (lease: Lease) => boolean): Uint8Array | undefined;
  retain(digest: string, lease: Lease): void;
  release(digest: string, lease: Lease): void;
  /** Forgets `digest` when nobody retained it after the offer. */
  dropUnused(digest: string): void;
  bytes(): number;
}

interface Entry {
  readonly schema: Uint8Array;
  /** Who brought it: of whose share it is. */
  readonly principal: string;
  readonly users: Set<Lease>;
}

/** An empty store, bounded in bytes. */
export function createSchemaStore(limits: RegistryLimits): SchemaStore {
  const entries = new Map<string, Entry>();
  const perPrincipal = createTally();
  let storedBytes = 0;

  function count({ schema, principal }: Entry, by: 1 | -1): void {
    storedBytes += by * schema.length;
    perPrincipal.add(principal, by * schema.length);
  }

  function dropUnused(digest: string): void {
    const entry = entries.get(digest);
    if (entry === undefined || entry.users.size > 0) return;
    entries.delete(digest);
    count(entry, -1);
  }

  return {
    offer({ digest, schema, principal, isBounded }) {
      if (digest === '' || entries.has(digest)) return;
      validateSchema(digest, schema);
      if (storedBytes + schema.length > limits.maxSchemaBytes) {
        throw new ConnectError('the registry holds too many descriptors already', Code.ResourceExhausted);
      }
      if (isBounded && perPrincipal.of(principal) + schema.length > limits.maxSchemaBytesPerPrincipal) {
        throw new ConnectError(`${principal} has brought its share of descriptors already`, Code.ResourceExhausted);
      }
      // A copy: what arrives is a view of the whole request.
      const entry: Entry = { schema: new Uint8Array(schema), principal, users: new Set() };
      entries.set(digest, entry);
      count(entry, 1);
    },
    get(digest, isSeen) {
      const entry = entries.get(digest);
      return entry?.users.values().some(isSeen) === true ? entry.schema : undefined;
    },
    retain: (digest, lease) => void entries.get(digest)?.users.add(lease),
    release(digest, lease) {
      entries.get(digest)?.users.delete(lease);
      dropUnused(digest);
    },
    dropUnused,
    bytes: () => storedBytes,
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
