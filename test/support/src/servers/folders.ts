import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';

const PREFIX = 'bascule-server-';

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

/** A folder that goes when it is removed, when this process ends, or, if that was killed, when the next one makes a folder. */
export function makeFolder(name: string): TemporaryFolder {
  removeThoseOfTheDead();
  const path = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-${name}-`));
  // A server that was killed this instant may still be writing its last file.
  const undo = (): void => rmSync(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  const forget = atExit(undo);
  const remove = (): void => {
    forget();
    undo();
  };
  return { path, remove };
}

function removeThoseOfTheDead(): void {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX)) continue;
    const pid = Number.parseInt(name.slice(PREFIX.length), 10);
    if (isAlive(pid)) continue;
    try {
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
    } catch {
      // Another process removes it as well, or what it left is not ours.
    }
  }
}

/** Whether a process of this id runs, whoever owns it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
