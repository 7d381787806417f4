import { watch, type FSWatcher } from 'node:fs';
import { basename, dirname } from 'node:path';

/** Watches single files through the folders they are in, so that one replaced by a rename stays watched. */
export interface FileWatch {
  /** The files from now on, absolute; those before that are not among them are let go. */
  set(files: readonly string[]): void;
  close(): void;
}

interface WatchedFolder {
  readonly watcher: FSWatcher;
  names: ReadonlySet<string>;
}

export function watchFiles(onChange: () => void): FileWatch {
  const folders = new Map<string, WatchedFolder>();

  const leave = (folder: string): void => {
    folders.get(folder)?.watcher.close();
    folders.delete(folder);
  };
  const enter = (folder: string, names: ReadonlySet<string>): void => {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) => {
        if (name === null || folders.get(folder)?.names.has(name) === true) onChange();
      });
      watcher.on('error', () => leave(folder));
      folders.set(folder, { watcher, names });
    } catch {
      // It went since the files were listed: the build that misses them says so.
    }
  };
  return {
    set(files) {
      const wanted = Map.groupBy(files, (file) => dirname(file));
      for (const folder of folders.keys()) if (!wanted.has(folder)) leave(folder);
      for (const [folder, paths] of wanted) {
        const names = new Set(paths.map((path) => basename(path)));
        const known = folders.get(folder);
        if (known === undefined) enter(folder, names);
        else known.names = names;
      }
    },
    close() {
      for (const folder of folders.keys()) leave(folder);
    },
  };
}
