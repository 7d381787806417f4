import type { Clock } from '@bascule/core';

/** How much may be repeated, so that retries never multiply the load of a service that is in trouble. */
export interface RetryBudget {
  /** Once per call, not per attempt. */
  deposit(): void;
  /** Takes one retry; false when there is none left. */
  tryWithdraw(): boolean;
}

export interface RetryBudgetOptions {
  readonly clock: Clock;
  /** Retries per 100 calls of the window. Default in the gateway 20, as Finagle and Envoy have it. */
  readonly percent: number;
  /** Retries per second that are there at least, so that a quiet service can retry at all. Default in the gateway 10. */
  readonly reservePerSecond: number;
  /** How long calls and retries count, in ms. Default in the gateway 10,000. */
  readonly windowMs: number;
}

const SLOTS = 10;

/**
 * Makes a budget over a sliding window of ten slots. Source: Finagle's RetryBudget; but the reserve is a least, as Envoy's
 * `min_retry_concurrency` is, and not added to the share. So while all calls fail, upstream calls are at most
 * `1 + percent / 100` times the calls wherever those come `reservePerSecond * 100 / percent` times a second or more (50,
 * by the gateway's defaults, which makes 1.2 times), and below that at most `reservePerSecond` more each second; plus one
 * window's reserve at the start, which is there at once.
 */
export function createRetryBudget(options: RetryBudgetOptions): RetryBudget {
  const { clock, percent, reservePerSecond, windowMs } = options;
  const slotMs = windowMs / SLOTS;
  const reserve = (reservePerSecond * windowMs) / 1000;
  const calls = Array.from({ length: SLOTS }, () => 0);
  const retries = Array.from({ length: SLOTS }, () => 0);
  let slot = Math.floor(clock.nowMs() / slotMs);

  const turn = (): number => {
    const current = Math.floor(clock.nowMs() / slotMs);
    // Slots that passed without a call are stale too; after a whole window all are.
    for (let stale = Math.max(slot + 1, current - SLOTS + 1); stale <= current; stale++) {
      calls[stale % SLOTS] = 0;
      retries[stale % SLOTS] = 0;
    }
    slot = Math.max(slot, current);
    return slot % SLOTS;
  };

  return {
    deposit() {
      const at = turn();
      calls[at] = (calls[at] as number) + 1;
    },
    tryWithdraw() {
      const at = turn();
      if (sum(retries) + 1 > Math.max((sum(calls) * percent) / 100, reserve)) return false;
      retries[at] = (retries[at] as number) + 1;
      return true;
    },
  };
}

function sum(slots: readonly number[]): number {
  let total = 0;
  for (const slot of slots) total += slot;
  return total;
}
