import { watch, type FSWatcher } from 'node:fs';
import { sep } from 'node:path';
import type { Clock, Timer } from '@bascule/core';

export interface WatchOptions {
  /** The folder of the sources, absolute. */
  readonly folder: string;
  readonly clock: Clock;
  /** Called once after a burst of changes; not again before the promise it returns has settled. */
  onChange(): Promise<unknown> | void;
  /** Called when the folder cannot be watched any more, as when it was removed. Default: nothing. */
  onError?(error: Error): void;
  /** Quiet time after the last change of a burst. Default 80 ms. Range 10 to 10,000. */
  readonly debounceMs?: number;
}

export interface Watch {
  close(): void;
}

type WatchState = 'quiet' | 'waiting' | 'running' | 'running-stale' | 'closed';

/** Names that editors use for files of their own: backups, swap files, probes such as Vim's 4913. */
const EDITOR_FILE = /^(?:\.|#|4913$)|(?:~|\.sw[a-z]|\.tmp|\.bak|\.orig|___jb_\w+___|\.crswap)$/i;

/** Tells of changes of sources. What is not a source (node_modules, dot files, files of editors) is not told. */
export function watchFolder(options: WatchOptions): Watch {
  const { clock, folder } = options;
  let state: WatchState = 'quiet';
  let timer: Timer | undefined;

  const changed = (): void => {
    if (state === 'closed') return;
    if (state === 'running' || state === 'running-stale') {
      state = 'running-stale';
      return;
    }
    state = 'waiting';
    timer?.cancel();
    timer = clock.after(options.debounceMs ?? 80, () => void run());
  };
  const run = async (): Promise<void> => {
    state = 'running';
    try {
      await options.onChange();
    } catch (error) {
      options.onError?.(error as Error);
    }
    const after = state as WatchState;
    if (after === 'closed') return;
    state = 'quiet';
    // What was saved meanwhile may not be in what was just built.
    if (after === 'running-stale') changed();
  };
  const watcher: FSWatcher = watch(folder, { recursive: true, persistent: false }, (_event, name) => {
    if (name === null || isSource(name)) changed();
  });
  watcher.on('error', (error) => options.onError?.(error));
  return {
    close() {
      state = 'closed';
      timer?.cancel();
      watcher.close();
    },
  };
}

/** Whether a path below the watched folder can belong to a version. */
export function isSource(path: string): boolean {
  const parts = path.split(sep);
  return parts.every((part) => part !== 'node_modules' && !EDITOR_FILE.test(part));
}
