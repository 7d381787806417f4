import type { Clock } from '@bascule/core';

/** As long as the longest lease: a process that slept longer counts as new. */
const MEMORY_MS = 600_000;
const MAX_ENTRIES = 10_000;

/** The highest incarnation of instances that have left, so that a late word of an old process is known as such. */
export interface Fence {
  of(instanceId: string): bigint | undefined;
  raise(instanceId: string, incarnation: bigint): void;
}

/** Forgets the oldest entries after ten minutes, or beyond 10,000. */
export function createFence(clock: Clock): Fence {
  const entries = new Map<string, { incarnation: bigint; untilMs: number }>();

  function forget(): void {
    for (const [instanceId, entry] of entries) {
      if (entries.size <= MAX_ENTRIES && entry.untilMs > clock.nowMs()) return;
      entries.delete(instanceId);
    }
  }

  return {
    of(instanceId) {
      forget();
      return entries.get(instanceId)?.incarnation;
    },
    raise(instanceId, incarnation) {
      entries.delete(instanceId);
      entries.set(instanceId, { incarnation, untilMs: clock.nowMs() + MEMORY_MS });
      forget();
    },
  };
}
