/** Lets at most so many checks of one service begin in any interval. */
export interface Pacer {
  /** Takes the next free moment. Returns how long it is until then, in ms: 0 is now. First come, first served. */
  reserve(nowMs: number): number;
}

/** `max` is at least 1. */
export function createPacer(max: number, intervalMs: number): Pacer {
  /** The last `max` moments, as a ring. */
  const moments: number[] = [];
  let next = 0;
  let lastMs = -Infinity;
  return {
    reserve(nowMs) {
      const before = moments[next] ?? -Infinity;
      let atMs = Math.max(nowMs, before + intervalMs);
      // Whoever has to wait waits for a moment of its own: one burst must not come back with every interval.
      if (Math.max(atMs, lastMs) > nowMs) atMs = Math.max(atMs, lastMs + intervalMs / max);
      moments[next] = atMs;
      next = (next + 1) % max;
      lastMs = atMs;
      return atMs - nowMs;
    },
  };
}
