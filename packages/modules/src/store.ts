import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ModuleRefused } from './refusal.ts';

/** Bits of versions by digest. What is in it never changes, so a restart or a rollback runs what was deployed. */
export interface Store {
  /** Keeps a bundle and returns its digest, `sha256:<hex>`; the same bits are kept once. */
  put(bundle: Uint8Array, manifest: StoredManifest): Promise<string>;
  /** Path of a bundle after its bits were compared with the digest. Throws ModuleRefused when they differ. */
  pathOf(digest: string): Promise<string>;
  /** Removes all bundles but those of the given digests. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}

interface StoredManifest {
  readonly module: string;
  readonly version: string;
  readonly name: string;
}

const DIGEST = /^sha256:([0-9a-f]{64})$/;
const TEMP_PREFIX = 'temp-';

/** Opens a store in a folder, making it if it is not there, and removes what a crash left half written. */
export async function openStore(folder: string): Promise<Store> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) {
    if (name.startsWith(TEMP_PREFIX)) await remove(join(folder, name));
  }
  const bundleOf = (digest: string): string => join(folder, hexOf(digest), 'bundle.mjs');
  return {
    async put(bundle, manifest) {
      const digest = digestOfBytes(bundle);
      if (await isIntact(bundleOf(digest), digest)) return digest;
      // Damaged bits would otherwise stay in the way of every later deploy of the same version.
      await remove(join(folder, hexOf(digest)));
      const temp = await mkdtemp(join(folder, TEMP_PREFIX));
      try {
        await writeSynced(join(temp, 'bundle.mjs'), bundle);
        await writeSynced(
          join(temp, 'manifest.json'),
          Buffer.from(`${JSON.stringify({ ...manifest, digest }, null, 2)}\n`),
        );
        await rename(temp, join(folder, hexOf(digest)));
      } catch (error) {
        await remove(temp);
        // Somebody else put the same bits in the meantime.
        if (!(await isIntact(bundleOf(digest), digest))) throw error;
      }
      return digest;
    },
    async pathOf(digest) {
      const path = bundleOf(digest);
      if (await isIntact(path, digest)) return path;
      throw new ModuleRefused(
        `the stored bundle ${digest} is missing or damaged`,
        'Deploy the version again from its source',
      );
    },
    async sweep(keep) {
      const kept = new Set([...keep].map(hexOf));
      for (const name of await readdir(folder)) {
        if (/^[0-9a-f]{64}$/.test(name) && !kept.has(name)) await remove(join(folder, name));
      }
    },
  };
}

async function isIntact(path: string, digest: string): Promise<boolean> {
  try {
    return digestOfBytes(await readFile(path)) === digest;
  } catch {
    return false;
  }
}

function digestOfBytes(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function hexOf(digest: string): string {
  const hex = DIGEST.exec(digest)?.[1];
  if (hex === undefined)
    throw new ModuleRefused(`"${digest}" is not a digest`, 'Deploy the version again from its source');
  return hex;
}

/** Synced before the rename: after a power cut the digest folder is whole or not there. */
async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}
