import type { Clock } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';

/** Resolves after `delayMs` of the clock, or at once when `signal` aborts; the caller looks at the signal itself. */
export function waitFor(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) return Promise.resolve();
  const end = (): void => {
    timer.cancel();
    signal.removeEventListener('abort', end);
    resolve();
  };
  const timer = clock.after(delayMs, end);
  signal.addEventListener('abort', end);
  return promise;
}

/** Runs a call that ends with `deadline_exceeded` after `timeoutMs`, and with the reason of `signal` when it aborts. */
export async function callWithin<T>(
  options: { clock: Clock; timeoutMs: number; signal: AbortSignal },
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock, timeoutMs, signal } = options;
  signal.throwIfAborted();
  const abort = new AbortController();
  const onAbort = (): void => abort.abort(signal.reason);
  const timer = clock.after(timeoutMs, () => {
    abort.abort(new ConnectError(`no answer within ${timeoutMs} ms`, Code.DeadlineExceeded));
  });
  signal.addEventListener('abort', onAbort);
  try {
    return await call(abort.signal);
  } catch (error) {
    // Connect says "canceled" for every abort; the reason tells a person more.
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
  }
}

/** Delays that grow. */
export interface Backoff {
  next(): number;
  /** Back to the first delay, after a success. */
  reset(): void;
}

/** gRPC's: a fifth more or less. */
const DEFAULT_JITTER = 0.2;
/** Anything from nothing to twice the delay: who lost the same server in the same moment comes back apart. */
export const FULL_JITTER = 1;

/** Factor 1.6, as in gRPC's connection backoff. `jitter`: share of the delay that it is off by at most, 0 to 1. */
export function createBackoff(clock: Clock, firstMs: number, maxMs: number, jitter = DEFAULT_JITTER): Backoff {
  let delayMs = firstMs;
  return {
    next() {
      const jittered = delayMs * (1 - jitter + 2 * jitter * clock.random());
      delayMs = Math.min(delayMs * 1.6, maxMs);
      return jittered;
    },
    reset: () => void (delayMs = firstMs),
  };
}
