import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Bundler } from './bundle.ts';
import type { Log } from './log.ts';
import { messageOf } from './refusal.ts';

/**
 * The code that workers start with, as one file in `folder`: it loads in a fifth of the time that its many sources
 * take, and that is most of what a version waits for. Falls back to the sources.
 */
export async function buildWorkerCode(folder: string, bundler: Bundler, log: Log): Promise<URL> {
  const source = new URL(import.meta.resolve('@bascule/modules/worker'));
  try {
    const entryFile = fileURLToPath(source);
    const code = await bundler.bundle(entryFile, dirname(entryFile));
    const file = join(folder, 'worker.mjs');
    // In one step: a worker of ours must not load half of it after a crash.
    await writeFile(`${file}.new`, code, { mode: 0o600 });
    await rename(`${file}.new`, file);
    return pathToFileURL(file);
  } catch (error) {
    log({
      level: 'warn',
      message: 'module workers start slower: their code was not bundled',
      reason: messageOf(error),
    });
    return source;
  }
}
