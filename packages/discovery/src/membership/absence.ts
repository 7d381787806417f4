import type { Clock, Timer } from '@bascule/core';

/** Measures how long addresses have been absent without a break. */
export interface Absence {
  /** Begins to measure, goes on, or forgets. */
  set(address: string, isAbsent: boolean): void;
  close(): void;
}

/** `onDue` gets addresses that have been absent for `limitMs`; they are forgotten. */
export function createAbsence(options: {
  readonly clock: Clock;
  readonly limitMs: number;
  readonly onDue: (addresses: readonly string[]) => void;
}): Absence {
  const { clock, limitMs, onDue } = options;
  /** Monotonic time at which each is due, the earliest first, since the limit is the same for all. */
  const due = new Map<string, number>();
  let timer: Timer | undefined;

  function arm(): void {
    const first = due.values().next();
    if (timer !== undefined || first.done === true) return;
    timer = clock.after(first.value - clock.nowMs(), fire);
  }

  function fire(): void {
    timer = undefined;
    const nowMs = clock.nowMs();
    const addresses: string[] = [];
    for (const [address, dueMs] of due) {
      if (dueMs > nowMs) break;
      addresses.push(address);
      due.delete(address);
    }
    arm();
    if (addresses.length > 0) onDue(addresses);
  }

  return {
    set(address, isAbsent) {
      if (!isAbsent) due.delete(address);
      else if (!due.has(address)) {
        due.set(address, clock.nowMs() + limitMs);
        arm();
      }
    },
    close() {
      timer?.cancel();
      due.clear();
    },
  };
}
