import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from '../../go-tool.ts';

/** How a server's program is had: once, into the user's cache. */
export interface Recipe<Programs> {
  /** Names the folder in the cache, so that another version is another folder. */
  readonly version: string;
  /** Where the programs are in a folder that is whole. */
  locate(folder: string): Programs;
  /** Fills an empty folder. Rejects with the reason for people. */
  make(folder: string): Promise<void>;
}

/** In the folder of a server, once all of it is there. */
export const WHOLE = 'whole';

export function folderOf(name: string, recipe: Recipe<unknown>): string {
  return join(cacheFolder(), 'servers', `${name}@${recipe.version}`);
}

/** Beside the folder: why the last try to make it failed. */
export function failureFile(name: string, recipe: Recipe<unknown>): string {
  return `${folderOf(name, recipe)}.failure`;
}

export function isWhole(name: string, recipe: Recipe<unknown>): boolean {
  return existsSync(join(folderOf(name, recipe), WHOLE));
}

export function whyNot(name: string, recipe: Recipe<unknown>): string {
  const file = failureFile(name, recipe);
  return existsSync(file) ? readFileSync(file, 'utf8') : 'nobody has prepared it ("node scripts/test/prepare.ts" does)';
}
