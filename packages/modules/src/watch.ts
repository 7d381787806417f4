import { sep } from 'node:path';
import type { Clock, Timer } from '@bascule/core';
import { watchFiles } from './watch-files.ts';
import { watchFolders } from './watch-folders.ts';

export interface WatchOptions {
  /** The folder of the sources, absolute. */
  readonly folder: string;
  readonly clock: Clock;
  /** Called once after a burst of changes; not again before the promise it returns has settled. */
  onChange(): Promise<unknown> | void;
  /** Files outside the folder that belong to it; asked at the start and after each change. Default: none. */
  inputs?(): Promise<readonly string[]>;
  /** Called when something cannot be watched, as when the folder was removed, and when `onChange` rejects. Default: nothing. */
  onError?(error: Error): void;
  /** Quiet time after the last change of a burst. Default 80 ms. Range 10 to 10,000. */
  readonly debounceMs?: number;
  /** Folders watched at most, the first one included. Default 1,000. */
  readonly maxFolders?: number;
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
  const onError = (error: Error): void => options.onError?.(error);
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
  const isClosed = (): boolean => state === 'closed';
  const run = async (): Promise<void> => {
    state = 'running';
    try {
      await options.onChange();
    } catch (error) {
      onError(error as Error);
    }
    await listInputs();
    const after = state as WatchState;
    if (after === 'closed') return;
    state = 'quiet';
    // What was saved meanwhile may not be in what was just built.
    if (after === 'running-stale') changed();
  };
  const listInputs = async (): Promise<void> => {
    try {
      const files = (await options.inputs?.()) ?? [];
      if (!isClosed()) outside.set(files);
    } catch {
      // A source that does not build for now: its files of before stay watched, since one of them may cure it.
    }
  };
  const inside = watchFolders({
    folder,
    clock,
    isSource,
    onChange: changed,
    onError,
    maxFolders: options.maxFolders ?? 1_000,
  });
  const outside = watchFiles(changed);
  void listInputs();
  return {
    close() {
      state = 'closed';
      timer?.cancel();
      inside.close();
      outside.close();
    },
  };
}

/** Whether a path below the watched folder can belong to a version. */
export function isSource(path: string): boolean {
  const parts = path.split(sep);
  return parts.every((part) => part !== 'node_modules' && !EDITOR_FILE.test(part));
}
