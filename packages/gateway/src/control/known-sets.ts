import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Clock, Timer } from '@bascule/core';
import { createLastKnown, type KnownState, type LastKnown, type Membership } from '@bascule/discovery';

/** What each source told last, on disk, so that a start needs none of them. */
export interface KnownSets {
  /** What a source told before this start; undefined when there is nothing, or it is too old. */
  before(source: SourceIdentity): KnownState | undefined;
  saveSoon(): void;
  /** Writes what is not written yet, and then nothing more. */
  close(): Promise<void>;
}

/** Another system behind an old name is another source. */
export interface SourceIdentity {
  readonly name: string;
  readonly url: string;
}

export interface KnownSetsOptions {
  readonly membership: Membership;
  readonly stateDir: string;
  readonly maxAgeMs: number;
  readonly clock: Clock;
  /** Those whose sets are to be kept. */
  sources(): readonly SourceIdentity[];
  /** A set could not be written: a restart without its source would not find it. */
  onError(name: string, error: Error): void;
}

/** Changes come in groups. */
const SAVE_DELAY_MS = 200;
/** A twentieth of the time at most goes to saving: a large set that never rests must not stop calls. */
const REST_PER_SAVE = 20;
const MAX_REST_MS = 10_000;

export function createKnownSets(options: KnownSetsOptions): KnownSets {
  const { membership, clock } = options;
  const files = new Map<string, LastKnown>();
  let step: 'open' | 'closed' = 'open';
  let saved: Promise<void> = Promise.resolve();
  let restMs = 0;
  let timer: Timer | undefined;

  function fileOf(source: SourceIdentity): LastKnown {
    const name = fileNameOf(source);
    const file = files.get(name) ?? createLastKnown({ file: join(options.stateDir, 'last-known', name), clock });
    files.set(name, file);
    return file;
  }

  async function save(): Promise<void> {
    timer?.cancel();
    timer = undefined;
    const startMs = clock.nowMs();
    const known = membership.known();
    const schemas = membership.schemas();
    await Promise.all(
      options.sources().map(async (source) => {
        const endpoints = known.get(source.name) ?? [];
        const digests = new Set(endpoints.map(({ schemaDigest }) => schemaDigest));
        const state = { endpoints, schemas: new Map([...schemas].filter(([digest]) => digests.has(digest))) };
        await fileOf(source)
          .save(state)
          .catch((error: Error) => options.onError(source.name, error));
      }),
    );
    restMs = Math.min(MAX_REST_MS, (clock.nowMs() - startMs) * REST_PER_SAVE);
  }

  return {
    before: (source) => fileOf(source).load({ maxAgeMs: options.maxAgeMs }),
    saveSoon() {
      if (step === 'open') timer ??= clock.after(Math.max(SAVE_DELAY_MS, restMs), () => void (saved = save()));
    },
    async close() {
      step = 'closed';
      if (timer !== undefined) saved = save();
      await saved;
    },
  };
}

/** Readable, and different for each name and URL. */
function fileNameOf({ name, url }: SourceIdentity): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([name, url]))
    .digest('hex');
  return `${name.replaceAll(/[^A-Za-z0-9.-]+/g, '_').slice(0, 64)}-${digest.slice(0, 12)}.json`;
}
