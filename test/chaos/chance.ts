import { createRandom } from '@bascule/core';

/** Seeded choices. */
export interface Chance {
  /** In [0, 1). */
  readonly next: () => number;
  /** In [0, below). */
  readonly int: (below: number) => number;
  readonly chance: (probability: number) => boolean;
  readonly pick: <T>(values: readonly T[]) => T;
  /** A chance of its own, so that what one party draws does not move another's. */
  readonly fork: () => Chance;
}

export function createChance(seed: number): Chance {
  const next = createRandom(seed);
  const int = (below: number): number => Math.floor(next() * below);
  return {
    next,
    int,
    chance: (probability) => next() < probability,
    pick: (values) => values[int(values.length)] as (typeof values)[number],
    fork: () => createChance(int(0x7fff_ffff)),
  };
}

/** Waits some milliseconds, or until `signal` says that nobody waits any more. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal?.addEventListener('abort', finish);
  });
}
