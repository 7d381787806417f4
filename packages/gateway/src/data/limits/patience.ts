import type { Clock, Timer } from '@bascule/core';

/** Timers that come later than this come after a pause of our own. */
const PAUSE_MS = 10;

/**
 * Calls `fn` once what was awaited is late by its own fault: answers that have arrived are read first, since Node runs timers
 * before it reads sockets, and where this process itself was kept from running, what is awaited gets as long again.
 */
export function afterPatiently(clock: Clock, timeoutMs: number, fn: () => void): Timer {
  let isCancelled = false;
  let timer: Timer;
  const run = (): void => {
    if (!isCancelled) fn();
  };
  const arm = (delayMs: number, isFirst: boolean): Timer => {
    const dueMs = clock.nowMs() + delayMs;
    return clock.after(delayMs, () => {
      const lateMs = clock.nowMs() - dueMs;
      if (isFirst && lateMs > PAUSE_MS) timer = arm(Math.min(lateMs, timeoutMs), false);
      else setImmediate(run);
    });
  };
  timer = arm(timeoutMs, true);
  return {
    cancel() {
      isCancelled = true;
      timer.cancel();
    },
  };
}
