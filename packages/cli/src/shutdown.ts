import type { Clock } from '@bascule/core';
import type { CliContext } from './context.ts';

/** A signal may arrive twice at once: from the terminal, and from the process that started this one. */
const SAME_SIGNAL_MS = 1000;

export interface ShutdownOptions {
  readonly context: CliContext;
  readonly clock: Clock;
  /** Ends with standard input, and leaves Ctrl-C to the process that started this one. */
  readonly exitWithStdin: boolean;
  /** Ends at once, when the operator asks a second time. */
  force(): void;
}

/** Resolves when it is time to stop. */
export function waitForStop(options: ShutdownOptions): Promise<void> {
  const { context, clock } = options;
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    context.onStop((signal) => {
      // Ctrl-C reaches the whole group; the launcher asks by closing the pipe when it is this one's turn.
      if (options.exitWithStdin && signal === 'SIGINT') return;
      if (firstMs === undefined) {
        firstMs = clock.nowMs();
        resolve();
      } else if (clock.nowMs() - firstMs > SAME_SIGNAL_MS) {
        options.force();
      }
    });
    if (options.exitWithStdin) void context.stdinEnded().then(resolve);
  });
}
