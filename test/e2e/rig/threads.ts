import { readdirSync, readFileSync } from 'node:fs';

const TASKS = '/proc/self/task';

/** Worker threads of this process; 0 where the system has no /proc to tell. */
export function countThreads(): number {
  try {
    return readdirSync(TASKS).filter((task) => readName(task) === 'WorkerThread').length;
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
