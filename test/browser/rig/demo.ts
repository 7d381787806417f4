import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { eventually } from '../../e2e/rig/eventually.ts';
import { makeFolder } from '../../e2e/rig/folder.ts';
import { freePorts } from '../../support/src/servers/ports.ts';

const ROOT = join(import.meta.dirname, '../../..');
const START_PATIENCE_MS = 90_000;

/** `npm start` as a newcomer has it, with ports and folders of its own. Disposing of it is Ctrl-C, and has to exit 0. */
export interface Demo extends AsyncDisposable {
  readonly url: string;
  readonly operatorUrl: string;
  readonly token: string;
  /** A copy of the ranking module's folder that the gateway deploys from when a file in it is saved. */
  readonly moduleFolder: string;
  /** All that was printed. */
  output(): string;
  accessLines(): Promise<Readonly<Record<string, unknown>>[]>;
  /** Runs the command line tool; gives what it printed, and rejects when it does not exit with 0. */
  bascule(...args: string[]): Promise<string>;
}

export async function startDemo({ workers }: { readonly workers: number }): Promise<Demo> {
  const folder = await makeFolder();
  const [port, operatorPort, registryPort] = (await freePorts(3)) as [number, number, number];
  const moduleFolder = await copyModule(folder.path);
  const accessLog = join(folder.path, 'access.log');
  const config = join(folder.path, 'bascule.yaml');
  await writeFile(config, await toConfig(moduleFolder, accessLog));
  const stateDir = join(folder.path, 'state');
  const flags = {
    port,
    'operator-port': operatorPort,
    'registry-port': registryPort,
    workers,
    config,
    'state-dir': stateDir,
  };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const launcher = spawn(process.execPath, ['scripts/start.mjs', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { output, ended } = listen(launcher);
  const stop = async (): Promise<void> => {
    launcher.kill('SIGINT');
    const how = await ended;
    await folder[Symbol.asyncDispose]();
    if (how !== '0') throw new Error(`npm start ended with ${how}:\n${output()}`);
  };
  await Promise.race([
    eventually(() => {
      if (!output().includes('Ctrl-C ends it all')) throw new Error(`not started:\n${output()}`);
    }, START_PATIENCE_MS),
    ended.then((how) => Promise.reject(new Error(`npm start ended with ${how}:\n${output()}`))),
  ]).catch(async (error: unknown) => {
    await stop().catch(() => undefined);
    throw error;
  });
  const operatorUrl = `http://127.0.0.1:${operatorPort}`;
  const tokenFile = join(stateDir, 'token');
  return {
    url: `http://127.0.0.1:${port}`,
    operatorUrl,
    token: (await readFile(tokenFile, 'utf8')).trim(),
    moduleFolder,
    output,
    async accessLines() {
      const lines = (await readFile(accessLog, 'utf8')).split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    },
    async bascule(...words) {
      const common = ['--operator', operatorUrl, '--token-file', tokenFile];
      const command = [join(ROOT, 'packages/cli/bin/bascule.mjs'), ...common, ...words];
      const { stdout } = await promisify(execFile)(process.execPath, command, { cwd: ROOT });
      return stdout;
    },
    [Symbol.asyncDispose]: stop,
  };
}

/** Starts the backend again with the command that the launcher printed when it ended. */
export function startBackendAgain(demo: Demo, name: string): AsyncDisposable {
  const text = demo.output();
  const command = new RegExp(`${name} +ended: .*\\n +npx --no-install node (.*)`).exec(text)?.[1];
  if (command === undefined) throw new Error(`the launcher does not say how to start ${name} again:\n${text}`);
  const backend = spawn(process.execPath, command.split(' '), { cwd: ROOT, stdio: 'ignore' });
  const ended = new Promise((resolve) => backend.once('exit', resolve));
  return {
    async [Symbol.asyncDispose]() {
      backend.kill('SIGTERM');
      await ended;
    },
  };
}

function listen(launcher: ChildProcess): { output: () => string; ended: Promise<string> } {
  let text = '';
  for (const stream of [launcher.stdout, launcher.stderr]) {
    stream?.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  }
  const ended = new Promise<string>((resolve) => {
    launcher.once('exit', (code, signal) => resolve(signal ?? String(code)));
  });
  return { output: () => text, ended };
}

/** The demo's own configuration, with folders that are this test's. */
async function toConfig(moduleFolder: string, accessLog: string): Promise<string> {
  const config = parse(await readFile(join(ROOT, 'bascule.yaml'), 'utf8')) as {
    readonly listener: object;
    readonly observe: object;
  };
  return JSON.stringify({
    ...config,
    listener: { ...config.listener, staticDir: join(ROOT, 'apps/web/dist') },
    modules: { watch: [moduleFolder] },
    observe: { ...config.observe, accessLog },
  });
}

/** The module with what it imports, as it lies in the repository. */
async function copyModule(path: string): Promise<string> {
  const [from, to] = [join(ROOT, 'apps/backend'), join(path, 'backend')];
  await mkdir(to);
  for (const part of ['modules/ranking', 'src', 'gen', 'package.json']) {
    await cp(join(from, part), join(to, part), { recursive: true });
  }
  await symlink(join(from, 'node_modules'), join(to, 'node_modules'));
  return join(to, 'modules/ranking');
}
