import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeIfStale } from './digest.ts';

/** Makes stubs from protos that have changed; `onStale` is called before it takes its time. */
export function prepareStubs(root: string, onStale: () => void): Promise<void> {
  return makeIfStale(root, {
    sources: [
      'proto',
      'apps/backend/proto',
      'third_party/proto',
      'buf.gen.yaml',
      'buf.gen.demo.yaml',
      'pnpm-lock.yaml',
    ],
    stamp: join(root, 'node_modules/.cache/bascule/stubs'),
    make() {
      onStale();
      return runScript(root, 'scripts/generate.ts');
    },
  });
}

/** Builds the page from sources that have changed; `onStale` is called before it takes its time. */
export function preparePage(root: string, onStale: () => void): Promise<void> {
  return makeIfStale(root, {
    sources: [
      'apps/web/src',
      'apps/web/index.html',
      'apps/web/vite.config.ts',
      'apps/backend/gen',
      'packages/web/src',
      'packages/core/src',
      'pnpm-lock.yaml',
    ],
    stamp: join(root, 'apps/web/dist/.stamp'),
    async make() {
      onStale();
      // Loaded only now: most starts build nothing.
      const { build } = await import('vite');
      await build({ root: join(root, 'apps/web'), logLevel: 'warn' });
    },
  });
}

/** Sees to it that registry, gateway and backends share a token that only this user can read. Gives its file. */
export async function prepareToken(stateDir: string): Promise<string> {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const file = join(stateDir, 'token');
  try {
    await writeFile(file, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    // Kept from an earlier start, so that whoever has read it can go on.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return file;
}

function runScript(root: string, script: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${script} failed`))));
  });
}
