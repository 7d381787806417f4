import { join } from 'node:path';
import type { Clock, Endpoint, Timer } from '@bascule/core';
import { createLastKnown, type LastKnown, type LoadedState, type Membership } from '@bascule/discovery';
import { fileNameOf, removeOldFiles, type SourceIdentity } from './known-files.ts';

/** What each source told last, on disk, so that a start needs none of them. */
export interface KnownSets {
  /** What a source told before this start; undefined when there is nothing, or it is too old. */
  before(source: SourceIdentity): LoadedState | undefined;
  /** Something has changed, perhaps. */
  saveSoon(): void;
  /** Writes what is not written yet, and then nothing more. */
  close(): Promise<void>;
}

export interface KnownSetsOptions {
  readonly membership: Pick<Membership, 'known' | 'schemas' | 'sources'>;
  readonly stateDir: string;
  /** 0 takes none, and writes none. */
  readonly maxAgeMs: number;
  readonly clock: Clock;
  /** Those whose sets are to be kept. */
  kept(): readonly SourceIdentity[];
  /** A set could not be written: a restart without its source would not find it. Told once for as long as it is so. */
  onError(name: string, error: Error): void;
}

/** Changes come in groups. */
const SAVE_DELAY_MS = 200;
/** A twentieth of the time at most goes to saving: a large set that never rests must not stop calls. */
const REST_PER_SAVE = 20;
const MAX_REST_MS = 10_000;
/** A set that does not change is written all the same, since its age is that of its source's last word. */
const MAX_REFRESH_MS = 3_600_000;
const MIN_REFRESH_MS = 1_000;

interface Kept {
  readonly file: LastKnown;
  /** As written last. */
  endpoints: readonly Endpoint[];
  schemas: number;
  writtenMs: number;
  /** Why it could not be written; empty when it could. */
  problem: string;
}

export function createKnownSets(options: KnownSetsOptions): KnownSets {
  const { membership, clock, maxAgeMs } = options;
  const folder = join(options.stateDir, 'last-known');
  const refreshMs = Math.max(MIN_REFRESH_MS, Math.min(MAX_REFRESH_MS, maxAgeMs / 4));
  const sets = new Map<string, Kept>();
  /** Names of sources that were connected at some time since the last save. */
  const heard = new Set<string>();
  let step: 'open' | 'closed' = 'open';
  let saved: Promise<void> = Promise.resolve();
  let restMs = 0;
  let sweptMs = -Infinity;
  let due: { readonly atMs: number; readonly timer: Timer } | undefined;

  function setOf(source: SourceIdentity): Kept {
    const name = fileNameOf(source);
    let set = sets.get(name);
    if (set === undefined) {
      const file = createLastKnown({ file: join(folder, name), clock });
      set = { file, endpoints: [], schemas: -1, writtenMs: -Infinity, problem: '' };
      sets.set(name, set);
    }
    return set;
  }

  /** Notes who is connected: one that is not says nothing, and what it said last keeps its age. */
  function listen(): void {
    // One that takes the place of another has its name: the later one counts.
    const states = new Map(membership.sources().map(({ name, status }) => [name, status.state]));
    for (const [name, state] of states) if (state === 'connected') heard.add(name);
  }

  async function write(source: SourceIdentity, endpoints: readonly Endpoint[], all: Schemas): Promise<void> {
    const set = setOf(source);
    const digests = new Set(endpoints.map(({ schemaDigest }) => schemaDigest));
    const schemas = new Map([...all].filter(([digest]) => digests.has(digest)));
    const nowMs = clock.nowMs();
    const isOld = nowMs - set.writtenMs >= refreshMs;
    if (!isOld && schemas.size === set.schemas && isSame(endpoints, set.endpoints)) return;
    Object.assign(set, { endpoints, schemas: schemas.size, writtenMs: nowMs });
    try {
      await set.file.save({ endpoints, schemas });
      set.problem = '';
    } catch (error) {
      set.writtenMs = -Infinity;
      const { message } = error as Error;
      if (message !== set.problem) options.onError(source.name, error as Error);
      set.problem = message;
    }
  }

  async function sweep(): Promise<void> {
    const nowMs = clock.nowMs();
    if (nowMs - sweptMs < refreshMs) return;
    sweptMs = nowMs;
    await removeOldFiles(folder, { keep: options.kept(), beforeMs: clock.wallMs() - maxAgeMs });
  }

  async function save(): Promise<void> {
    due?.timer.cancel();
    due = undefined;
    const startMs = clock.nowMs();
    const known = membership.known();
    const schemas = membership.schemas();
    listen();
    const sources = options.kept().filter(({ name }) => heard.has(name));
    heard.clear();
    await Promise.all(sources.map((source) => write(source, known.get(source.name) ?? [], schemas)));
    await sweep();
    restMs = Math.min(MAX_REST_MS, (clock.nowMs() - startMs) * REST_PER_SAVE);
    saveWithin(refreshMs);
  }

  function saveWithin(delayMs: number): void {
    const atMs = clock.nowMs() + delayMs;
    if (step === 'closed' || (due !== undefined && due.atMs <= atMs)) return;
    due?.timer.cancel();
    due = { atMs, timer: clock.after(delayMs, () => void (saved = saved.then(save))) };
  }

  return {
    before: (source) => (maxAgeMs === 0 ? undefined : setOf(source).file.load({ maxAgeMs })),
    saveSoon() {
      if (maxAgeMs === 0) return;
      listen();
      saveWithin(Math.max(SAVE_DELAY_MS, restMs));
    },
    async close() {
      step = 'closed';
      await saved;
      if (maxAgeMs > 0) await save();
    },
  };
}

type Schemas = ReadonlyMap<string, Uint8Array>;

function isSame(a: readonly Endpoint[], b: readonly Endpoint[]): boolean {
  return a.length === b.length && a.every((endpoint, index) => endpoint === b[index]);
}
