import type { Clock } from '@bascule/core';

/** As long as the longest lease: a process that slept longer counts as new. */
const MEMORY_MS = 600_000;

/** The highest incarnation of instances that have left, so that a late word of an old process is known as such. */
export interface Fence {
  of(instance: string): bigint | undefined;
  raise(instance: string, incarnation: bigint): void;
}

/** Forgets the oldest entries after ten minutes, or beyond `maxEntries`. */
export function createFence(clock: Clock, maxEntries: number): Fence {
  const entries = new Map<string, { incarnation: bigint; untilMs: number }>();

  function forget(): void {
    for (const [instance, entry] of entries) {
      if (entries.size <= maxEntries && entry.untilMs > clock.nowMs()) return;
      entries.delete(instance);
    }
  }

  return {
    of(instance) {
      forget();
      return entries.get(instance)?.incarnation;
    },
    raise(instance, incarnation) {
      entries.delete(instance);
      entries.set(instance, { incarnation, untilMs: clock.nowMs() + MEMORY_MS });
      forget();
    },
  };
}
