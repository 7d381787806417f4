import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from './refusal.ts';

/** A second process would remove what the first one unpacks and runs, and each would undo the other's deployments. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse';
  /** What was wrong, and where. */
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;

  constructor(folder: string, owner: string) {
    const reason = `the state folder ${dirname(folder)} is in use by another gateway${owner}`;
    const advice = 'Stop that one, or give this one a folder of its own with --state-dir';
    super(`${reason}. ${advice}`);
    this.reason = reason;
    this.advice = advice;
  }
}

const SQLITE_BUSY = 5;

/** A database that nobody holds is closed by the garbage collector, and its lock with it. */
const held = new Set<DatabaseSync>();

/**
 * Takes a folder for this process and gives the way to let go of it. The lock is SQLite's on an empty database, which is
 * the operating system's: it goes with the process, however that ends. Throws FolderInUse.
 */
export function lockFolder(folder: string): () => void {
  const owner = join(folder, 'owner');
  const db = new DatabaseSync(join(folder, 'lock.sqlite'), { timeout: 0 });
  try {
    db.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { errcode?: unknown }).errcode === SQLITE_BUSY) throw new FolderInUse(folder, readOwner(owner));
    throw new Error(`${folder} cannot be locked: ${messageOf(error)}`, { cause: error });
  }
  held.add(db);
  writeFileSync(owner, `${process.pid}\n`, { mode: 0o600 });
  return () => {
    rmSync(owner, { force: true });
    held.delete(db);
    db.close();
  };
}

/** For people alone: the lock does not hang on it. */
function readOwner(file: string): string {
  try {
    const pid = /^\d+/.exec(readFileSync(file, 'utf8'))?.[0];
    return pid === undefined ? '' : ` (process ${pid})`;
  } catch {
    return '';
  }
}
