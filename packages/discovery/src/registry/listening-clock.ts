import type { Clock, Timer } from '@bascule/core';

/** Leases are looked at this often. */
export const TICK_MS = 200;
/** A tick that comes later than this says that the process slept: stopped, swapped out, or the machine suspended. */
const SLEPT_MS = 1_000;
/** How far the wall clock runs ahead of the monotonic one when the machine was suspended and not merely set. */
const SUSPENDED_MS = 5_000;

/** Time in which the registry could hear: what it slept through does not count against anybody. */
export interface ListeningClock {
  /** Milliseconds of listening. */
  nowMs(): number;
  /** Ticks while there is something to look at. */
  setBusy(isBusy: boolean): void;
  close(): void;
}

/** `onSlept` is called before the tick that noticed it. */
export function createListeningClock(options: {
  clock: Clock;
  onTick: (nowMs: number) => void;
  onSlept: (sleptMs: number) => void;
}): ListeningClock {
  const { clock, onTick, onSlept } = options;
  let lostMs = 0;
  let timer: Timer | undefined;
  const nowMs = (): number => clock.nowMs() - lostMs;

  function arm(): void {
    const startedMs = clock.nowMs();
    const aheadMs = clock.wallMs() - startedMs;
    // Whole multiples, so that a lease that ends between two ticks is not looked at twice.
    const delayMs = TICK_MS - (nowMs() % TICK_MS);
    timer = clock.after(delayMs, () => {
      const lateMs = clock.nowMs() - startedMs - delayMs;
      const suspendedMs = clock.wallMs() - clock.nowMs() - aheadMs;
      if (lateMs > 0) lostMs += lateMs;
      if (lateMs >= SLEPT_MS || suspendedMs >= SUSPENDED_MS) onSlept(Math.max(lateMs, suspendedMs));
      arm();
      onTick(nowMs());
    });
  }

  return {
    nowMs,
    setBusy(isBusy) {
      if (isBusy === (timer !== undefined)) return;
      timer?.cancel();
      timer = undefined;
      if (isBusy) arm();
    },
    close: () => timer?.cancel(),
  };
}
