import type { RemovalCause } from '@bascule/core';
import type { RemovalRecord } from './membership.ts';

const MAX_RECORDS = 100;

/** The last removals, and how many there were of each cause. */
export interface RemovalLog {
  add(record: RemovalRecord): void;
  /** Newest first. */
  latest(): RemovalRecord[];
  counts(): ReadonlyMap<RemovalCause, number>;
}

/** An empty log. */
export function createRemovalLog(): RemovalLog {
  const ring: RemovalRecord[] = [];
  const counts = new Map<RemovalCause, number>();
  let next = 0;
  return {
    add(record) {
      ring[next] = record;
      next = (next + 1) % MAX_RECORDS;
      counts.set(record.cause, (counts.get(record.cause) ?? 0) + 1);
    },
    // While the ring is not full, `next` is its length, and the second part is empty.
    latest: () => [...ring.slice(next), ...ring.slice(0, next)].toReversed(),
    counts: () => new Map(counts),
  };
}
