import type { Clock } from '@bascule/core';

/** Renewals are spread over a third of a TTL, and so are their ends when nobody is heard any more. */
const TOGETHER_MS = 30_000;

/** Whose leases have run out lately. */
export interface Expiries {
  /**
   * One more lease has run out, and `left` others are told. True when more have run out together than are left: it is
   * likelier that their system does not hear them than that all of them died.
   */
  add(key: string, left: number): boolean;
  /** It is told again. */
  forget(key: string): void;
}

/** None yet. */
export function createExpiries(clock: Pick<Clock, 'nowMs'>): Expiries {
  /** When, the earliest first. */
  const atMs = new Map<string, number>();
  return {
    add(key, left) {
      const nowMs = clock.nowMs();
      for (const [other, endedMs] of atMs) {
        if (nowMs - endedMs < TOGETHER_MS) break;
        atMs.delete(other);
      }
      atMs.delete(key);
      atMs.set(key, nowMs);
      // One alone is its own case: the last one may go as well.
      return atMs.size > 1 && atMs.size > left;
    },
    forget: (key) => void atMs.delete(key),
  };
}
