import type { Event } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';

/** A change of the set, with whom it concerns. */
export interface LoggedEvent {
  readonly revision: bigint;
  /** Identity of the endpoint, so that a later event about it can take the place of this one. */
  readonly key: string;
  readonly event: Event;
  /** Services of the endpoint before and after; empty when it was not there. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** What happened, in order, as far back as the history goes. */
export interface EventLog {
  /** Differs with each start of the registry, and is never 0. */
  readonly epoch: bigint;
  /** Of the last event; 1 before the first, since 0 asks for a snapshot. */
  revision(): bigint;
  append(entry: Omit<LoggedEvent, 'revision'>): void;
  /** Events after `revision`, or undefined when the history does not reach back or the revision is not ours. */
  since(epoch: bigint, revision: bigint): LoggedEvent[] | undefined;
  /** Returns the function that ends the subscription. */
  subscribe(listener: (entry: LoggedEvent) => void): () => void;
}

/** An empty log that keeps at least the last `capacity` events. */
export function createEventLog(epoch: bigint, capacity: number): EventLog {
  const listeners = new Set<(entry: LoggedEvent) => void>();
  const entries: LoggedEvent[] = [];
  let revision = 1n;
  return {
    epoch,
    revision: () => revision,
    append(entry) {
      const logged = { ...entry, revision: ++revision };
      entries.push(logged);
      // Trimmed by halves: a shift per event would move the whole history each time.
      if (entries.length >= capacity * 2) entries.splice(0, entries.length - capacity);
      for (const listener of listeners) listener(logged);
    },
    since(seenEpoch, seen) {
      const oldest = entries[0]?.revision ?? revision + 1n;
      if (seenEpoch !== epoch || seen > revision || seen < oldest - 1n) return undefined;
      return entries.slice(Number(seen - oldest + 1n));
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
