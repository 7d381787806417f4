import { watch, type FSWatcher } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '@bascule/core';
import { waitFor } from '../../waiting.ts';

/** Network file systems and exhausted watches say nothing, so the file is looked at in any case. */
const POLL_MS = 2_000;
/** A file under another inode was most likely put in place whole. */
const REPLACED_SETTLE_MS = 100;
/** One that is written where it stands, or is missing, is half of what it is going to be. */
const WRITTEN_SETTLE_MS = 1_000;

/** Differs whenever a file was written, replaced, or given other rights; follows links. */
export interface Stamp {
  readonly text: string;
  /** Undefined when there is no file, or nobody may look. */
  readonly inode: string | undefined;
}

/** Follows one file. It watches the folders: saving by renaming gives the name a new file, and a watch of the old one hears nothing more. */
export interface FileWatch {
  /** Resolves with the stamp that the file has now, once that differs from `seen` and has settled; or when `signal` aborts. */
  change(seen: Stamp | undefined, signal: AbortSignal): Promise<Stamp | undefined>;
  close(): void;
}

export function watchFile(file: string, clock: Clock): FileWatch {
  const watchers = new Map<string, FSWatcher>();
  let news = new AbortController();

  function forget(folder: string): void {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  }

  /** Both the folder of the name and the one where links lead to: a mounted ConfigMap changes its links, others the file behind. */
  async function watchFolders(): Promise<void> {
    const real = await realpath(file).catch(() => file);
    const folders = new Set([dirname(file), dirname(real)]);
    for (const folder of watchers.keys()) if (!folders.has(folder)) forget(folder);
    for (const folder of folders) if (!watchers.has(folder)) watchFolder(folder);
  }

  function watchFolder(folder: string): void {
    try {
      const watcher = watch(folder, { persistent: false }, () => news.abort());
      watcher.on('error', () => forget(folder));
      watchers.set(folder, watcher);
    } catch {
      // No such folder yet, or no watches left: looking now and then must do.
    }
  }

  async function change(seen: Stamp | undefined, signal: AbortSignal): Promise<Stamp | undefined> {
    let candidate: Stamp | undefined;
    while (!signal.aborted) {
      news = new AbortController();
      await watchFolders();
      const now = await stampOf(file);
      if (seen === undefined) return now;
      if (now.text === seen.text) {
        candidate = undefined;
        await waitFor(clock, POLL_MS, AbortSignal.any([signal, news.signal]));
      } else if (now.text === candidate?.text) {
        return now;
      } else {
        candidate = now;
        const isReplaced = now.inode !== undefined && now.inode !== seen.inode;
        await waitFor(clock, isReplaced ? REPLACED_SETTLE_MS : WRITTEN_SETTLE_MS, signal);
      }
    }
    return undefined;
  }

  return {
    change,
    close() {
      for (const folder of watchers.keys()) forget(folder);
    },
  };
}

/** What a file looks like from outside. */
async function stampOf(file: string): Promise<Stamp> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    return { text: `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`, inode: `${dev}:${ino}` };
  } catch (error) {
    return { text: (error as NodeJS.ErrnoException).code ?? 'missing', inode: undefined };
  }
}
