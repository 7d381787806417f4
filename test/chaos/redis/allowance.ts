import { systemClock, type RateLimit } from '@bascule/core';

const clock = systemClock;

/** How many calls a limit may have let through at most, given who could reach Redis when. */
export interface Allowance {
  changed(gateway: number, state: 'up' | 'down'): void;
  /** Redis has forgotten everything. */
  emptied(): void;
  atMost(): number;
}

/**
 * While anybody reaches Redis, its bucket gives what the limit says; who does not reach it gives its share. A bucket is
 * full when it has not been used or has been forgotten: that is a burst each time.
 */
export function createAllowance(limit: RateLimit, share: number, gateways: number): Allowance {
  const isUp = Array.from({ length: gateways }, () => false);
  const { perSecond, burst } = limit;
  let lookedMs = clock.nowMs();
  // Before the first answer each gateway decides by itself.
  let calls = gateways * Math.max(1, share * burst);

  const look = (): void => {
    const nowMs = clock.nowMs();
    const seconds = (nowMs - lookedMs) / 1_000;
    lookedMs = nowMs;
    const down = isUp.filter((up) => !up).length;
    calls += seconds * perSecond * (down * share + (down < gateways ? 1 : 0));
  };
  return {
    changed(gateway, state) {
      look();
      if (state === 'up' && !isUp.includes(true)) calls += burst;
      if (state === 'down' && isUp[gateway] === true) calls += Math.max(1, share * burst);
      isUp[gateway] = state === 'up';
    },
    emptied() {
      look();
      calls += burst;
    },
    atMost() {
      look();
      return calls;
    },
  };
}
