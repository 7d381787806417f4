/** Tasks that live and end together. */
export interface Together {
  /** Aborts when one of them fails, or when all are told to end. */
  readonly signal: AbortSignal;
  /** Starts one more. It must end soon after the signal aborts. */
  add(task: (signal: AbortSignal) => Promise<void>): void;
}

/**
 * Runs what `begin` adds, and what is added later. Returns, all of them ended, when `signal` aborts; throws what the first
 * failing one threw.
 */
export async function runTogether(signal: AbortSignal, begin: (together: Together) => void): Promise<void> {
  const ending = new AbortController();
  const running = new Set<Promise<void>>();
  const onAbort = (): void => ending.abort(signal.reason);
  const ended = Promise.withResolvers<void>();
  ending.signal.addEventListener('abort', () => ended.resolve());
  signal.addEventListener('abort', onAbort);
  if (signal.aborted) onAbort();

  async function run(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    try {
      await task(ending.signal);
    } catch (error) {
      ending.abort(error);
    }
  }

  begin({
    signal: ending.signal,
    add(task) {
      const one: Promise<void> = run(task).finally(() => running.delete(one));
      running.add(one);
    },
  });
  await ended.promise;
  await Promise.all(running);
  signal.removeEventListener('abort', onAbort);
  if (!signal.aborted) throw ending.signal.reason;
}
