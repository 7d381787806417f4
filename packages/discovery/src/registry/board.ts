import type { EventLog, LoggedEvent } from './history.ts';
import type { EndpointRecord } from './lease.ts';

/** What is to be told at once: everything after `from` up to `revision`, the latest word on each endpoint. */
export interface Delta {
  readonly from: number;
  readonly revision: number;
  readonly events: readonly LoggedEvent[];
}

/** The whole set as it was at a revision. */
export interface Snapshot {
  readonly revision: number;
  /** Undefined once the history does not reach back to it: whoever is not through with it begins a new one. */
  records: readonly EndpointRecord[] | undefined;
}

/**
 * What all watchers of a namespace share. A watcher is no more than a revision and a place in a snapshot: one that does
 * not read costs nothing more, however much happens meanwhile.
 */
export interface Board {
  append(event: Omit<LoggedEvent, 'revision'>): void;
  /** Of the registry's last event. */
  revision(): number;
  /** Whether all that happened after `revision` can still be told. */
  reaches(revision: number): boolean;
  /** Undefined when nothing happened since. Only for revisions that it reaches. */
  deltaSince(revision: number): Delta | undefined;
  snapshot(): Snapshot;
  /** Calls in a later turn than that in which something happened, once for all of it. Returns how to stop. */
  onNews(listener: () => void): () => void;
}

/** Of one message. Small, since one waits in memory for every watcher that does not read. */
export const MAX_EVENTS = 1_000;
export const MAX_BYTES = 131_072;

export function createBoard(log: EventLog, records: () => readonly EndpointRecord[]): Board {
  const listeners = new Set<() => void>();
  /** Weak: one that all have read is nobody's, and must not last as long as the history. */
  const snapshots = new Set<WeakRef<Snapshot>>();
  let isWaking = false;
  let lastDelta: (Delta & { readonly isWhole: boolean }) | undefined;
  let lastSnapshot: Snapshot | undefined;

  function wake(): void {
    isWaking = false;
    for (const listener of listeners) listener();
  }

  /** Old records live as long as the history: a watcher that has stopped in the middle of them must not keep them. */
  function dropSnapshots(): void {
    for (const reference of snapshots) {
      const snapshot = reference.deref();
      if (snapshot !== undefined && log.reaches(snapshot.revision)) return;
      snapshots.delete(reference);
      if (snapshot !== undefined) snapshot.records = undefined;
    }
  }

  return {
    revision: () => log.revision(),
    reaches: (revision) => log.reaches(revision),
    append(event) {
      log.append(event);
      dropSnapshots();
      if (isWaking || listeners.size === 0) return;
      isWaking = true;
      // What comes in with the same turn goes out together.
      setImmediate(wake);
    },
    deltaSince(from) {
      if (log.last() <= from) return undefined;
      // Most watchers are at the same place: it is put together once for all of them.
      if (lastDelta?.from === from && (lastDelta.isWhole || lastDelta.revision === log.last())) return lastDelta;
      const found = log.since(from, MAX_EVENTS, MAX_BYTES);
      const revision = (found.at(-1) as LoggedEvent).revision;
      lastDelta = { from, revision, events: latestOf(found), isWhole: revision < log.last() };
      return lastDelta;
    },
    snapshot() {
      if (lastSnapshot?.records !== undefined && lastSnapshot.revision >= log.last()) return lastSnapshot;
      lastSnapshot = { revision: log.revision(), records: records() };
      snapshots.add(new WeakRef(lastSnapshot));
      return lastSnapshot;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The latest word on each endpoint, in order. */
function latestOf(events: readonly LoggedEvent[]): LoggedEvent[] {
  const latest = new Map<string, LoggedEvent>();
  for (const event of events) {
    const earlier = latest.get(event.key);
    latest.delete(event.key);
    // With the services before all of it: who watches some of them has seen none of what lies between.
    latest.set(event.key, earlier === undefined ? event : { ...event, before: earlier.before });
  }
  return [...latest.values()];
}
