import { systemClock, type Clock } from '@bascule/core';

/** Real time, faster where asked, that knows how many timers are set. */
export interface CountingClock extends Clock {
  pending(): number;
}

/** `speed` 10: a minute lasts 6 s. */
export function createCountingClock(speed = 1): CountingClock {
  let pending = 0;
  return {
    nowMs: () => systemClock.nowMs() * speed,
    wallMs: () => systemClock.wallMs(),
    random: () => systemClock.random(),
    after(delayMs, fn) {
      let isSet = true;
      pending++;
      const end = (): void => {
        if (isSet) pending--;
        isSet = false;
      };
      const timer = systemClock.after(delayMs / speed, () => {
        end();
        fn();
      });
      return {
        cancel() {
          end();
          timer.cancel();
        },
      };
    },
    pending: () => pending,
  };
}
