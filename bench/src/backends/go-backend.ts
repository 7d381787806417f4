import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../cache.ts';
import { LOAD_CORE, startProcess, type Process } from '../process.ts';

const run = promisify(execFile);
const SOURCE = join(import.meta.dirname, '..', '..', 'backend-go');

export interface GoBackend {
  readonly port: number;
  /** Calls answered since it started. */
  count(): Promise<number>;
  end(): Promise<void>;
}

/** Builds the echoing backend; quick when nothing has changed. Throws what to install where Go is missing. */
export async function buildGoBackend(): Promise<string> {
  const folder = cacheFolder();
  await mkdir(folder, { recursive: true });
  const program = join(folder, 'echo-backend');
  try {
    await run('go', ['build', '-o', program, '.'], { cwd: SOURCE });
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code !== 'ENOENT') throw new Error(`the backend does not build: ${stderr}`, { cause: error });
    throw new Error('Go is missing: the backends of this bench are built with it (1.26 or newer, https://go.dev/dl/)', {
      cause: error,
    });
  }
  return program;
}

/** Starts one backend that answers `method`, as in "a.v1.A/Do". */
export async function startGoBackend(program: string, method: string, logFile: string): Promise<GoBackend> {
  const args = ['-methods', method];
  const child: Process = startProcess({
    name: 'echo backend',
    command: program,
    args,
    speaksJson: true,
    core: LOAD_CORE,
    logFile,
  });
  const { port } = (await child.ready) as { port: number };
  return {
    port,
    count: async () => (await child.ask<{ calls: number }>('count')).calls,
    end: () => child.stop(),
  };
}
