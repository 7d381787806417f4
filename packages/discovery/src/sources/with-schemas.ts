import type { Clock } from '@bascule/core';
import { digestOf } from '@bascule/schema';
import { callWithin, createBackoff, waitFor } from '../waiting.ts';
import type { Feed, SourceDriver } from './feed.ts';

const CALL_TIMEOUT_MS = 5_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 10_000;

/** A driver of a system that is asked for the descriptors of each digest by itself. */
export interface AskedDriver extends Pick<SourceDriver, 'follow' | 'close'> {
  /** Asks for the descriptors of a digest; whatever goes wrong is a rejection. */
  readSchema(digest: string, signal: AbortSignal): Promise<Uint8Array>;
}

/**
 * The driver, which now tells descriptors as well: each once, asked for until they are there or nobody wants them any
 * more. `schemas` are those known from before.
 */
export function withSchemas(
  driver: AskedDriver,
  { clock, schemas }: { readonly clock: Clock; readonly schemas: ReadonlyMap<string, Uint8Array> },
): SourceDriver {
  const closing = new AbortController();
  const { signal } = closing;
  const known = new Set(schemas.keys());
  const fetching = new Set<string>();
  let wanted: ReadonlySet<string> = new Set();
  let feed: Feed | undefined;

  async function fetchOnce(digest: string): Promise<Uint8Array | undefined> {
    const call = { clock, timeoutMs: CALL_TIMEOUT_MS, signal };
    try {
      const schema = await callWithin(call, (limited) => driver.readSchema(digest, limited));
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
        known.add(digest);
        feed?.schema(digest, schema);
        return;
      }
      await waitFor(clock, backoff.next(), signal);
    }
  }

  return {
    follow(given, ending) {
      feed = given;
      return driver.follow(given, ending);
    },
    wantSchemas(digests) {
      wanted = digests;
      for (const digest of known) if (!wanted.has(digest)) known.delete(digest);
      for (const digest of wanted) {
        if (digest === '' || known.has(digest) || fetching.has(digest)) continue;
        fetching.add(digest);
        void fetchUntilThere(digest).finally(() => fetching.delete(digest));
      }
    },
    async close() {
      closing.abort(new Error('the source is closed'));
      await driver.close();
    },
  };
}
