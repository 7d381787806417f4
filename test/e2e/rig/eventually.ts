const PAUSE_MS = 15;

/** How long a condition may take on a busy machine before it counts as never. */
const PATIENCE_MS = 20_000;

/** Tries `check` until it no longer throws, and gives its result; after `patienceMs` its last error is the failure. */
export async function eventually<T>(check: () => T | Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const endMs = performance.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await pause();
  }
}

/** Waits until `read` gives the same value `times` times in a row, and gives that value. */
export async function settled(read: () => number, times = 20): Promise<number> {
  let value = read();
  for (let same = 0; same < times;) {
    await pause();
    const next = read();
    same = next === value ? same + 1 : 0;
    value = next;
  }
  return value;
}

/** One step of waiting, for loops that watch for something. */
export function pause(ms = PAUSE_MS): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
