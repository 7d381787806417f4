import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cache.ts';

const run = promisify(execFile);
const BENCH = join(import.meta.dirname, '..', '..');

/** Builds what stands in a folder of the bench; quick when nothing has changed. Throws what to install where Go is missing. */
export async function buildGoProgram(source: 'backend-go' | 'driver-go'): Promise<string> {
  const folder = cacheFolder();
  await mkdir(folder, { recursive: true });
  const program = join(folder, source);
  try {
    await run('go', ['build', '-o', program, '.'], { cwd: join(BENCH, source) });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code !== 'ENOENT') throw new Error(`${source} does not build: ${stderr}`, { cause: error });
    throw new Error(
      'Go is missing: backends and driver of this bench are built with it (1.26 or newer, https://go.dev/dl/)',
      {
        cause: error,
      },
    );
  }
  return program;
}
