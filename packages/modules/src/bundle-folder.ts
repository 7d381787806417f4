import { createBundler } from './bundle.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { readManifest } from './manifest.ts';

/** A module made ready to travel: what it imports from outside its folder is inside. */
export interface BundledFolder {
  /** npm name of the package. */
  readonly name: string;
  readonly version: string;
  /** Short name by which operators call it. */
  readonly module: string;
  /** One ESM file. */
  readonly code: Uint8Array;
}

/** Bundles a module's folder where its dependencies are. Throws ModuleRefused with file and line. */
export async function bundleFolder(folder: string): Promise<BundledFolder> {
  const { name, version, module, entryFile } = await readManifest(folder);
  const bundler = createBundler(DEFAULT_LIMITS.maxUnpackedBytes);
  try {
    return { name, version, module, code: await bundler.bundle(entryFile, folder) };
  } finally {
    await bundler.close();
  }
}

/** Files that a module's folder is bundled with and that lie elsewhere, without installed packages; absolute. Throws ModuleRefused. */
export async function listOutsideInputs(folder: string): Promise<string[]> {
  const { entryFile } = await readManifest(folder);
  const bundler = createBundler(DEFAULT_LIMITS.maxUnpackedBytes);
  try {
    return await bundler.outsideInputs(entryFile, folder);
  } finally {
    await bundler.close();
  }
}
