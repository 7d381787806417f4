import type { Clock } from '@bascule/core';
import { createBackoff, waitFor } from '../waiting.ts';

/** One answer of a system that is asked to hold its answer back until there is news. */
export interface Answered {
  /** How long it was held back. */
  readonly blockedMs: number;
  /** It brought something, or its time was over. */
  readonly isNews: boolean;
  /** What it cost us. */
  readonly handlingMs: number;
}

const AT_ONCE_MS = 100;
const SLOWEST_MS = 10_000;
/** Of our time that answers may take. */
const SHARE = 0.2;

/**
 * Waits before the next question where answers come at once, again and again: changes that come in masses are taken
 * together, and a broken server is not asked in a loop. News after silence never waits.
 */
export function createPace(clock: Clock): (answered: Answered, signal: AbortSignal) => Promise<void> {
  const backoff = createBackoff(clock, AT_ONCE_MS, SLOWEST_MS);
  return ({ blockedMs, isNews, handlingMs }, signal) => {
    if (!isNews) return waitFor(clock, backoff.next(), signal);
    backoff.reset();
    if (blockedMs >= AT_ONCE_MS) return Promise.resolve();
    const delayMs = Math.max(AT_ONCE_MS, handlingMs / SHARE);
    return waitFor(clock, delayMs * (0.8 + 0.4 * clock.random()), signal);
  };
}
