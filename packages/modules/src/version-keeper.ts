import type { Clock } from '@bascule/core';
import type { History, VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import type { Manifest } from './manifest.ts';
import { createQueue } from './queue.ts';
import { messageOf, toRefusal, type ModuleRefused } from './refusal.ts';
import type { Store } from './store.ts';
import type { Loaded } from './worker/messages.ts';

/** What a version was made of. */
export interface Origin {
  readonly manifest: Manifest;
  /** As the operator named it. */
  readonly source: string;
}

/** Keeps versions: their bits in the store, what became of them in the history. */
export interface VersionKeeper {
  keep(origin: Origin, bundle: Uint8Array): Promise<VersionRecord>;
  /** Notes that the version is current; of what it serves where that is known. Never throws. */
  noteCurrent(record: VersionRecord, loaded: Loaded | undefined): void;
  /** Notes that it was refused, and gives the refusal. `digest` is empty where there are no bits yet. Never throws. */
  noteRefused(origin: Origin, digest: string, error: unknown): ModuleRefused;
  /** Forgets what is too old. Never rejects. */
  tidy(): Promise<void>;
}

export function createVersionKeeper(options: {
  readonly store: Store;
  readonly history: History;
  readonly limits: ModuleLimits;
  readonly clock: Clock;
  readonly log: Log;
}): VersionKeeper {
  const { store, history, clock, log } = options;
  // Bits that are stored but not yet in the history would be swept away by another module's deployment.
  const storage = createQueue();

  function recordOf({ manifest, source }: Origin, digest: string): Omit<VersionRecord, 'id' | 'state' | 'reason'> {
    const { module, version } = manifest;
    return { module, version, digest, source, services: [], schemaDigest: '', deployedAtMs: clock.wallMs() };
  }

  function note(failure: string, record: Parameters<typeof aboutOf>[0], write: () => void): void {
    try {
      write();
    } catch (error) {
      log({ level: 'error', message: failure, ...aboutOf(record), reason: messageOf(error) });
    }
  }

  return {
    keep: (origin, bundle) =>
      storage(async () => {
        const { module, version, name } = origin.manifest;
        const digest = await store.put(bundle, { module, version, name });
        const known = history.get({ module, version, digest });
        if (known?.state === 'stored') return known;
        return history.record({ ...recordOf(origin, digest), state: 'stored', reason: '' });
      }),
    noteCurrent(record, loaded) {
      const { services, schemaDigest } = loaded ?? record;
      // It serves already: a history that cannot be written must not end it.
      note('the current version could not be written to the history', record, () => {
        history.record({ ...record, services, schemaDigest, state: 'stored', reason: '' });
        history.setCurrent(record.module, record.id);
      });
    },
    noteRefused(origin, digest, error) {
      const refusal = toRefusal(error, 'See the log of the gateway');
      const record = recordOf(origin, digest);
      // Who deploys is to hear why it was refused, not why that could not be written.
      note('a refused version could not be written to the history', record, () => {
        // The same bits may have served before: they stay something to go back to.
        if (history.get(record)?.services.length) return;
        history.record({ ...record, state: 'refused', reason: refusal.message });
      });
      return refusal;
    },
    tidy: () =>
      storage(async () => {
        history.prune(options.limits.maxHistory);
        await store.sweep(new Set(history.list().flatMap(({ digest }) => (digest === '' ? [] : [digest]))));
      }).catch((error: unknown) =>
        log({ level: 'warn', message: 'old versions could not be removed', reason: messageOf(error) }),
      ),
  };
}
