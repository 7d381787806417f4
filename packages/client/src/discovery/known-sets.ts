import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Clock, Endpoint, Timer } from '@bascule/core';
import { createLastKnown, type LastKnown, type Membership } from '@bascule/discovery';

export interface KnownSetsOptions {
  /** Undefined keeps nothing. */
  readonly folder: string | undefined;
  readonly membership: Membership;
  readonly clock: Clock;
  /** A set could not be written. */
  onError(url: string, error: Error): void;
}

/** What each source told last, on disk, so that a start needs none of them. */
export interface KnownSets {
  /** What a source told before this start; none where there is nothing, or it is too old. */
  before(url: string): readonly Endpoint[];
  /** A source has answered: what it says is worth keeping from now on. */
  heard(url: string): void;
  saveSoon(): void;
  /** Writes what is not written yet, and then nothing more. */
  close(): Promise<void>;
}

/** As old as a gateway's may be by default. */
const MAX_AGE_MS = 7 * 86_400_000;
/** Changes come in groups; and a set that never rests must not keep the disk busy. */
const SAVE_DELAY_MS = 1_000;

/** One file for each source, named by its URL. */
export function createKnownSets(options: KnownSetsOptions): KnownSets {
  const { folder, membership, clock } = options;
  const files = new Map<string, LastKnown>();
  const heard = new Set<string>();
  let state: 'open' | 'closed' = 'open';
  let due: Timer | undefined;
  let saved: Promise<void> = Promise.resolve();

  function fileOf(url: string): LastKnown {
    let file = files.get(url);
    if (file === undefined) {
      const name = `${createHash('sha256').update(url).digest('hex').slice(0, 32)}.json`;
      files.set(url, (file = createLastKnown({ file: join(folder ?? '', name), clock })));
    }
    return file;
  }

  async function save(): Promise<void> {
    due?.cancel();
    due = undefined;
    const known = membership.known();
    for (const url of heard) {
      try {
        // Methods come from the caller's own descriptors: those of endpoints need not be kept.
        await fileOf(url).save({ endpoints: known.get(url) ?? [], schemas: new Map() });
      } catch (error) {
        options.onError(url, error as Error);
      }
    }
  }

  return {
    before: (url) => (folder === undefined ? [] : (fileOf(url).load({ maxAgeMs: MAX_AGE_MS })?.endpoints ?? [])),
    heard: (url) => void heard.add(url),
    saveSoon() {
      if (folder === undefined || heard.size === 0 || state === 'closed') return;
      due ??= clock.after(SAVE_DELAY_MS, () => void (saved = saved.then(save)));
    },
    async close() {
      state = 'closed';
      await saved;
      if (folder !== undefined) await save();
    },
  };
}
