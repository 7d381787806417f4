/** What this launcher is told from outside. */
export interface StopWords {
  /** Aborted when everything shall end. */
  readonly stop: AbortSignal;
  /** Called when it shall end at once. */
  onForce(listener: () => void): void;
}

/**
 * Under scripts/start.mjs the words come through its channel, and a Ctrl-C, which goes to all processes of a terminal
 * at once, is left to it; that it is gone, even by kill -9, means stop. Started by hand, signals count.
 */
export function listenForStop(): StopWords {
  const controller = new AbortController();
  const forcers: (() => void)[] = [];
  const force = (): void => forcers.forEach((each) => each());
  const stop = (): void => (controller.signal.aborted ? force() : controller.abort());
  const launched = process.send !== undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, launched ? () => undefined : stop);
  if (launched) {
    process.on('message', (word) => (word === 'force' ? force() : controller.abort()));
    process.on('disconnect', () => controller.abort());
  }
  return { stop: controller.signal, onForce: (listener) => void forcers.push(listener) };
}
