import { mkdtemp, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ModuleLimits } from '../limits.ts';
import { ModuleRefused } from '../refusal.ts';
import { unpackPackage } from './package.ts';

/** The sources of a version, as a folder. */
export interface Sources {
  readonly folder: string;
  /** Removes what was unpacked; does nothing for a folder of the operator's own. */
  dispose(): Promise<void>;
}

/**
 * Opens a folder as it is, or a .tgz by unpacking it under `tempDir`. A folder is bundled in place, so it finds its
 * dependencies as Node would from there.
 */
export async function openSources(named: string, tempDir: string, limits: ModuleLimits): Promise<Sources> {
  const path = resolve(named);
  const found = await stat(path).catch(() => undefined);
  const advice = 'Name a folder with a package.json, or a .tgz of one';
  if (found === undefined) throw new ModuleRefused(`${path}: no such file or folder`, advice);
  if (found.isDirectory()) return { folder: path, dispose: async () => {} };
  if (!found.isFile()) throw new ModuleRefused(`${path}: neither a folder nor a file`, advice);
  const target = await mkdtemp(join(tempDir, 'unpack-'));
  const dispose = (): Promise<void> => rm(target, { recursive: true, force: true });
  try {
    return { folder: await unpackPackage(path, target, limits), dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}
