import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startProcess } from '../process.ts';

const CLI = join(import.meta.dirname, '..', '..', '..', 'packages', 'cli', 'bin', 'bascule.mjs');

export interface BasculeOptions {
  /** Existing folder: configuration, state and logs. */
  readonly home: string;
  /** What bascule.yaml says, beside the ports, which are free ones. */
  readonly config: object;
  readonly profile?: string | undefined;
  /** Flags of Node. Default none. */
  readonly nodeArgs?: readonly string[];
  /** Core it is kept on; undefined is any. */
  readonly core: number | undefined;
}

/** A gateway in a process of its own. */
export interface BasculeGateway {
  readonly pid: number;
  readonly port: number;
  readonly operatorUrl: string;
  readonly token: string;
  /** What it prints, but for its first line. */
  readonly logFile: string;
  stop(): Promise<void>;
}

/** Starts `bascule gateway`; ready when it listens. */
export async function startBasculeGateway(options: BasculeOptions): Promise<BasculeGateway> {
  const { home, config, profile, nodeArgs = [], core } = options;
  const file = join(home, 'bascule.yaml');
  // JSON is YAML.
  await writeFile(file, JSON.stringify(config, undefined, 2));
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const logFile = join(home, 'gateway.log');
  const child = startProcess({
    name: 'bascule gateway',
    command: process.execPath,
    args: [
      ...profiling,
      ...nodeArgs,
      CLI,
      'gateway',
      `--config=${file}`,
      `--state-dir=${join(home, 'state')}`,
      '--port=0',
      '--operator-port=0',
      '--json',
      '--exit-with-stdin',
    ],
    core,
    logFile,
    speaksJson: true,
  });
  const { api, operator, stateDir } = (await child.ready) as { api: string; operator: string; stateDir: string };
  return {
    pid: child.pid,
    port: Number(new URL(api).port),
    operatorUrl: operator,
    token: (await readFile(join(stateDir, 'token'), 'utf8')).trim(),
    logFile,
    stop: () => child.stop(),
  };
}
