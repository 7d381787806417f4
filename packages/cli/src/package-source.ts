import { createReadStream } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { BundledFolder } from '@bascule/modules';
import { create } from 'tar';
import { CliFailure, ExitCode } from './failure.ts';

const CHUNK_BYTES = 256 * 1024;

/** Throws with `reason` and `advice` what is wrong with a folder. */
export type BundleFolder = (folder: string) => Promise<BundledFolder>;

/**
 * The bytes of a package. A .tgz is sent as it is. A folder is bundled first: what it imports from its
 * workspace is not there on the gateway's machine.
 */
export async function openPackage(path: string, bundle: BundleFolder): Promise<AsyncIterable<Uint8Array>> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw new CliFailure(
      ExitCode.usage,
      `${path}: no such file or folder`,
      'Name the folder of a module, or a .tgz of one.',
    );
  }
  if (found.isDirectory()) return packBundle(await bundle(path));
  if (found.isFile() && /\.(tgz|tar\.gz)$/.test(basename(path))) {
    return createReadStream(path, { highWaterMark: CHUNK_BYTES });
  }
  throw new CliFailure(
    ExitCode.usage,
    `${path} is neither a folder nor a .tgz`,
    'Pack it with "npm pack" or "tar czf".',
  );
}

async function* packBundle({ name, version, module, code }: BundledFolder): AsyncGenerator<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-deploy-'));
  try {
    const manifest = { name, version, type: 'module', bascule: { module, entry: 'index.mjs' } };
    await writeFile(join(folder, 'package.json'), JSON.stringify(manifest, undefined, 2));
    await writeFile(join(folder, 'index.mjs'), code);
    yield* packFiles(folder, 'package.json', 'index.mjs');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** No times and owners, so that the same files give the same bytes. */
function packFiles(folder: string, ...names: string[]): AsyncIterable<Uint8Array> {
  return create({ cwd: folder, gzip: true, portable: true, noMtime: true }, names) as AsyncIterable<Uint8Array>;
}
