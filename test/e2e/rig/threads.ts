import { readdirSync, readFileSync } from 'node:fs';

const TASKS = '/proc/self/task';

/** Node's name for workers that have none of their own, as data threads, and the one of module versions. */
const NAMES = ['WorkerThread', 'bascule-module'];

/** Worker threads of this process; 0 where the system has no /proc to tell. */
export function countThreads(): number {
  try {
    return readdirSync(TASKS).filter((task) => NAMES.includes(readName(task))).length;
  } catch {
    return 0;
  }
}

/** A thread may end between the listing and the look. */
function readName(task: string): string {
  try {
    return readFileSync(`${TASKS}/${task}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
