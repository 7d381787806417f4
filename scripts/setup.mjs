/** Brings the workspace's dependencies, Node 24 among them. Plain JavaScript that Node 18 reads too. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const MODULES = join(ROOT, 'node_modules');

/** Bootstraps the installation; everything after it is pinned by the lockfile. */
const PNPM = 'pnpm@12.21.0';

/** Installs what the lockfile names, unless that is what stands there. Ends the process with advice when it cannot. */
export function ensureInstalled() {
  if (isInstalled()) return;
  console.log('Installing what Bascule needs (once; it takes some ten seconds) ...');
  // npx needs a shell on Windows, where it is a batch file.
  const { status, error } = spawnSync('npx', ['-y', PNPM, 'install', '--frozen-lockfile'], {
    cwd: ROOT,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(`
Installing failed${error === undefined ? '' : ` (${error.message})`}; what pnpm says about it stands above.
  - It needs the network this once: is the npm registry reachable from here ("npm ping")?
  - It needs npm, which comes with Node ("npx --version").
Then start again: whatever has been fetched is kept.`);
  process.exit(1);
}

/** The Node that the sources are written for, whichever one started this. */
export function nodeOfWorkspace() {
  const file = join(MODULES, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (existsSync(file)) return file;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  console.error(`Node 24 is missing: ${file} was not installed. Remove the folder node_modules and start again.`);
  return process.exit(1);
}

/** The environment in which the workspace's own commands come first. */
export function environment() {
  const path = [join(MODULES, 'node', 'bin'), join(MODULES, '.bin'), process.env['PATH'] ?? ''].join(delimiter);
  return { ...process.env, PATH: path };
}

/** pnpm leaves a copy of the lockfile that it has installed from. */
function isInstalled() {
  const installed = join(MODULES, '.pnpm', 'lock.yaml');
  if (!existsSync(installed)) return false;
  return readFileSync(installed).equals(readFileSync(join(ROOT, 'pnpm-lock.yaml')));
}
