const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds of the machine's monotonic clock: moments of several processes can be compared. */
export function nowMs(): number {
  return offsetMs + performance.now();
}

/** Resolves after a while. Measurements wait for time itself, nothing else does. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
