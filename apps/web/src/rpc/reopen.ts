import { isCanceled } from './errors.ts';

/** First and longest wait before a broken stream is opened again. */
const FIRST_WAIT_MS = 400;
const LONGEST_WAIT_MS = 5000;

export interface Reopening {
  /** Reads one stream to its end. Calls `onAnswer` for each message, which takes the waits back to the first. */
  readonly read: (onAnswer: () => void) => Promise<void>;
  readonly signal: AbortSignal;
  /** Hears why a stream broke, before the wait. */
  readonly onBroken: (reason: unknown) => void;
}

/** Reads a stream, and reads it again after it broke, until it ends well or `signal` is aborted. */
export async function readUntilDone({ read, signal, onBroken }: Reopening): Promise<void> {
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      await read(() => {
        waitMs = FIRST_WAIT_MS;
      });
      return;
    } catch (reason) {
      if (signal.aborted || isCanceled(reason)) return;
      onBroken(reason);
    }
    await wait(waitMs, signal);
    waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
  }
}

function wait(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
