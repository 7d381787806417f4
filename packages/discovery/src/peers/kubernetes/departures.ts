import type { Clock, Timer } from '@bascule/core';

/**
 * Instances that stand in no slice any more while their Service has others. Controllers move instances between slices
 * with one write per slice, in any order, so they may be on the way.
 */
export interface Departures {
  hold(instanceId: string): void;
  /** It has come again. */
  cancel(instanceId: string): void;
  clear(): void;
}

/** The writes of a move are milliseconds apart. */
const HOLD_MS = 1_000;

export function createDepartures(clock: Clock, onGone: (instanceId: string) => void): Departures {
  const held = new Map<string, Timer>();

  function cancel(id: string): void {
    held.get(id)?.cancel();
    held.delete(id);
  }

  return {
    cancel,
    hold(id) {
      cancel(id);
      const leave = (): void => {
        held.delete(id);
        onGone(id);
      };
      held.set(id, clock.after(HOLD_MS, leave));
    },
    clear() {
      for (const id of held.keys()) cancel(id);
    },
  };
}
