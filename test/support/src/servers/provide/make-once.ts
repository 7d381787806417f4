import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../folders.ts';
import { onlyOne } from './only-one.ts';
import { failureFile, folderOf, isWhole, whyNot, WHOLE, type Recipe } from './recipe.ts';

/**
 * Sees to it that what the recipe makes is in the cache; says what it does on `say`, a line each. Resolves with whether it is
 * there then. Several processes may want the same at once: one makes it and the others wait.
 */
export async function makeOnce(name: string, recipe: Recipe<unknown>, say: (line: string) => void): Promise<boolean> {
  if (isWhole(name, recipe)) return true;
  const folder = folderOf(name, recipe);
  const onWait = (): void => say(`${name}: another process is making it, waiting ...`);
  return onlyOne(folder, onWait, async () => {
    if (isWhole(name, recipe)) return true;
    const started = performance.now();
    say(`${name}: making ${recipe.version} ...`);
    try {
      await make(folder, recipe);
      await rm(failureFile(name, recipe), { force: true });
    } catch (error) {
      await writeFile(failureFile(name, recipe), (error as Error).message);
      say(`${name}: NOT PROVIDED, so its tests will be skipped: ${whyNot(name, recipe)}`);
      return false;
    }
    say(`${name}: made in ${((performance.now() - started) / 1000).toFixed(0)} s`);
    return true;
  });
}

/** What is not whole never stands under the folder's name. */
async function make(folder: string, recipe: Recipe<unknown>): Promise<void> {
  const part = `${folder}.part-${process.pid}`;
  await mkdir(part, { recursive: true });
  await removePartsOfTheDead(folder);
  try {
    await recipe.make(part);
    await writeFile(join(part, WHOLE), '');
    await rename(part, folder).catch((error: unknown) => {
      // Made twice at once, where nobody waits: the other one is as good.
      if (!existsSync(join(folder, WHOLE))) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

async function removePartsOfTheDead(folder: string): Promise<void> {
  const prefix = `${basename(folder)}.part-`;
  for (const name of await readdir(dirname(folder))) {
    if (!name.startsWith(prefix) || isAlive(Number(name.slice(prefix.length)))) continue;
    await rm(join(dirname(folder), name), { recursive: true, force: true });
  }
}
