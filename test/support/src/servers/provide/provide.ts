import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAlive } from '../folders.ts';
import { RECIPES, type ServerName } from '../programs.ts';
import { failureFile, folderOf, isWhole, whyNot, WHOLE } from './recipe.ts';

const POLL_MS = 500;

/**
 * Sees to it that the program is in the cache; says what it does on `say`, a line each. Resolves with whether it is there then.
 * Several processes may want the same at once: one makes it and the others wait.
 */
export async function provide(name: ServerName, say: (line: string) => void): Promise<boolean> {
  const recipe = RECIPES[name];
  if (isWhole(name, recipe)) return true;
  const folder = folderOf(name, recipe);
  const lock = `${folder}.lock`;
  await mkdir(dirname(folder), { recursive: true });
  await take(lock, () => say(`${name}: somebody else is making it, waiting ...`));
  try {
    if (isWhole(name, recipe)) return true;
    say(`${name}: making ${recipe.version} ...`);
    const started = performance.now();
    const part = `${folder}.part`;
    await mkdir(part, { recursive: true });
    await recipe.make(part);
    await writeFile(join(part, WHOLE), '');
    await rm(folder, { recursive: true, force: true });
    await rename(part, folder);
    await rm(failureFile(name, recipe), { force: true });
    say(`${name}: made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
    return true;
  } catch (error) {
    await writeFile(failureFile(name, recipe), (error as Error).message);
    say(`${name}: NOT PROVIDED, its tests will be skipped: ${whyNot(name, recipe)}`);
    return false;
  } finally {
    await rm(lock, { force: true });
  }
}

/** Waits until the file is this process's own; one that a dead process left is taken over. */
async function take(lock: string, onWait: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number.parseInt(await readFile(lock, 'utf8').catch(() => ''), 10);
    // Moving it away succeeds for one of several that find it dead, so that no fresh lock is removed.
    if (owner > 0 && !isAlive(owner)) await rename(lock, `${lock}.${process.pid}`).catch(() => undefined);
    await rm(`${lock}.${process.pid}`, { force: true });
    if (tries === 0) onWait();
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
