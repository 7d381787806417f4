import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

/** Runs `make` unless `stamp` says that it was run with the same `sources` (files and folders). */
export async function makeIfStale(
  root: string,
  { sources, stamp, make }: { sources: readonly string[]; stamp: string; make: () => Promise<void> },
): Promise<void> {
  const digest = await digestOf(root, sources);
  const before = await readFile(stamp, 'utf8').catch(() => '');
  if (before === digest) return;
  await make();
  await mkdir(dirname(stamp), { recursive: true });
  await writeFile(stamp, digest);
}

/** By content, since a checkout gives all files a new time. */
async function digestOf(root: string, sources: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const source of sources) {
    for (const file of await listFiles(join(root, source))) {
      hash
        .update(`${relative(root, file)}\0`)
        .update(await readFile(file))
        .update('\0');
    }
  }
  return hash.digest('hex');
}

async function listFiles(path: string): Promise<string[]> {
  if ((await stat(path)).isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
