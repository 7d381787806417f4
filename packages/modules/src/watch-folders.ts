import { lstatSync, readdirSync, statSync, watch, type FSWatcher } from 'node:fs';
import { basename, join } from 'node:path';
import type { Clock, Timer } from '@bascule/core';

export interface FolderTreeOptions {
  /** Absolute. */
  readonly folder: string;
  readonly clock: Clock;
  /** Whether something of this name, folder or file, counts. */
  isSource(name: string): boolean;
  /** Something that counts came, changed or went. */
  onChange(): void;
  onError(error: Error): void;
  /** Folders watched at most. */
  readonly maxFolders: number;
}

/** How long until a folder that is gone is looked for again. */
const LOOK_AGAIN_MS = 1_000;

/**
 * Watches a folder and all below it, each by a watcher of its own. Node's recursive watch follows single files on Linux
 * and goes deaf to one that is replaced by a rename, which is how most editors save. Links to folders are not followed.
 */
export function watchFolders(options: FolderTreeOptions): { close(): void } {
  const watchers = new Map<string, FSWatcher>();
  let open = true;
  let full = false;
  let timer: Timer | undefined;

  // Unlike those below it, the folder itself may be a link.
  const existsRoot = (): boolean => statSync(options.folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const drop = (folder: string): void => {
    for (const [path, watcher] of watchers) {
      if (path !== folder && !path.startsWith(join(folder, '/'))) continue;
      watchers.delete(path);
      watcher.close();
    }
  };
  const add = (folder: string): void => {
    if (watchers.size >= options.maxFolders) {
      if (!full) options.onError(new Error(`more than ${options.maxFolders} folders; saves in ${folder} go unnoticed`));
      full = true;
      return;
    }
    try {
      const watcher = watch(folder, { persistent: false }, (event, name) => seen(folder, event, name));
      // It went while it was being watched: its parent tells.
      watcher.on('error', () => drop(folder));
      watchers.set(folder, watcher);
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isDirectory() && options.isSource(entry.name)) add(join(folder, entry.name));
      }
    } catch (error) {
      // One that is gone again is no fault; one that may not be watched is.
      if (isFolder(folder)) options.onError(error as Error);
    }
  };
  const seen = (folder: string, event: string, name: string | null): void => {
    if (!open) return;
    if (event === 'rename' && !existsRoot()) return lose();
    // So a watched folder tells of its own move; another one may stand in its place already.
    if (event === 'rename' && folder === options.folder && name === basename(folder)) {
      drop(folder);
      add(folder);
    }
    if (name !== null && !options.isSource(name)) return;
    if (event === 'rename' && name !== null) {
      const path = join(folder, name);
      // Also one of the same name as before may be another one.
      drop(path);
      if (isFolder(path)) add(path);
    }
    options.onChange();
  };
  const lose = (): void => {
    drop(options.folder);
    options.onError(new Error(`${options.folder} is gone; it is watched again when it is back`));
    lookAgain();
  };
  const lookAgain = (): void => {
    timer = options.clock.after(LOOK_AGAIN_MS, () => {
      if (!existsRoot()) return lookAgain();
      add(options.folder);
      options.onChange();
    });
  };

  if (existsRoot()) add(options.folder);
  else lose();
  return {
    close() {
      open = false;
      timer?.cancel();
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
