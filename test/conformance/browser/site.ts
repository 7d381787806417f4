import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'vite';

/** The page under test, built. */
export interface Site {
  readonly folder: string;
  close(): Promise<void>;
}

/** Builds the page into a folder of its own, with the descriptors that it fetches. */
export async function buildSite(schemaFile: string): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-conformance-site-'));
  await build({
    root: import.meta.dirname,
    // What it prints would come between the suite's messages.
    logLevel: 'silent',
    build: { target: 'es2023', outDir: folder, emptyOutDir: true, modulePreload: false },
  });
  await copyFile(schemaFile, join(folder, 'conformance.binpb'));
  return { folder, close: () => rm(folder, { recursive: true, force: true }) };
}
