import type { Clock } from '@bascule/core';
import { digestOf } from '@bascule/schema';
import { callWithin, createBackoff, waitFor } from '../waiting.ts';

const CALL_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;

/** Fetches descriptors by digest, each once, until they are there or nobody wants them any more. */
export interface SchemaFetcher {
  /** Digests of all present endpoints; what is not among them is forgotten. */
  want(digests: ReadonlySet<string>): void;
  get(digest: string): Uint8Array | undefined;
}

/** `seeds` are descriptors known from before. */
export function createSchemaFetcher(options: {
  /** Asks the system for the descriptors of a digest; whatever goes wrong is a rejection. */
  ask: (digest: string, signal: AbortSignal) => Promise<Uint8Array>;
  clock: Clock;
  seeds: ReadonlyMap<string, Uint8Array>;
  signal: AbortSignal;
  onSchema: (digest: string, schema: Uint8Array) => void;
}): SchemaFetcher {
  const { clock, signal } = options;
  const schemas = new Map(options.seeds);
  const fetching = new Set<string>();
  let wanted: ReadonlySet<string> = new Set();

  async function fetchOnce(digest: string): Promise<Uint8Array | undefined> {
    const call = { clock, timeoutMs: CALL_TIMEOUT_MS, signal };
    try {
      const schema = await callWithin(call, (signal) => options.ask(digest, signal));
      // A copy: what arrives is a view of the whole answer, and would go to other threads with it.
      return digestOf(schema) === digest ? new Uint8Array(schema) : undefined;
    } catch {
      return undefined;
    }
  }

  async function fetchUntilThere(digest: string): Promise<void> {
    const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS);
    while (wanted.has(digest) && !signal.aborted) {
      const schema = await fetchOnce(digest);
      if (signal.aborted) return;
      if (schema !== undefined && wanted.has(digest)) {
        schemas.set(digest, schema);
        options.onSchema(digest, schema);
        return;
      }
      await waitFor(clock, backoff.next(), signal);
    }
  }

  return {
    want(digests) {
      wanted = digests;
      for (const digest of schemas.keys()) {
        if (!wanted.has(digest)) schemas.delete(digest);
      }
      for (const digest of wanted) {
        if (digest === '' || schemas.has(digest) || fetching.has(digest)) continue;
        fetching.add(digest);
        void fetchUntilThere(digest).finally(() => fetching.delete(digest));
      }
    },
    get: (digest) => schemas.get(digest),
  };
}
