/** The only door to time and chance, so that tests replay by seed. */
export interface Clock {
  /** Monotonic milliseconds; starts anywhere. */
  nowMs(): number;
  /** Wall-clock milliseconds since 1970, for logs and for what is shared between machines. */
  wallMs(): number;
  /** In [0, 1). */
  random(): number;
  /** Calls `fn` once, after `delayMs`. Does not keep the process alive by itself where the platform can say so. */
  after(delayMs: number, fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

interface Unrefable {
  unref?(): unknown;
}

/** Real time and real chance. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  random: () => Math.random(),
  after(delayMs, fn) {
    // Longer delays than 2^31-1 ms would fire at once, and Node warns of those below 0: a deadline that just went by.
    const timer = setTimeout(fn, Math.max(0, Math.min(delayMs, 2_147_483_647)));
    (timer as Unrefable).unref?.();
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs` of the clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/** A clock that only moves when told to, with seeded chance. */
export interface VirtualClock extends Clock {
  /** Moves time forward, running what falls due in order of time. */
  advance(byMs: number): void;
  /** Timers not yet run or cancelled: 0 after a clean test. */
  pending(): number;
}

/** Makes a virtual clock. `seed` is any integer; the same seed gives the same chance. */
export function createVirtualClock(seed = 1, startMs = 0): VirtualClock {
  let nowMs = startMs;
  let order = 0;
  const random = createRandom(seed);
  const timers = new Set<{ atMs: number; order: number; fn: () => void }>();
  return {
    nowMs: () => nowMs,
    wallMs: () => 1_700_000_000_000 + nowMs,
    random,
    after(delayMs, fn) {
      const timer = { atMs: nowMs + Math.max(0, delayMs), order: order++, fn };
      timers.add(timer);
      return { cancel: () => timers.delete(timer) };
    },
    advance(byMs) {
      const endMs = nowMs + byMs;
      for (;;) {
        const due = [...timers].filter((t) => t.atMs <= endMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
        if (due === undefined) break;
        timers.delete(due);
        nowMs = due.atMs;
        due.fn();
      }
      nowMs = endMs;
    },
    pending: () => timers.size,
  };
}

/** Seeded chance in [0, 1): mulberry32, 32 bits of state. */
export function createRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
