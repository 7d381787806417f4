import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

const BIN = join(import.meta.dirname, '../../bin/bascule.mjs');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Default the Node of the tests. */
  readonly node?: string;
}

export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** Standard output so far. */
  stdout(): string;
  /** Resolves when standard output holds the text. */
  said(text: string): Promise<void>;
}

/** Starts the real command as its own process, with nothing of this one's environment that could steer it. */
export function start(args: readonly string[], options: RunOptions): Running {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(BASCULE_|NODE_|FORCE_COLOR|VITEST)/.test(name)),
  );
  const child = spawn(options.node ?? process.execPath, [BIN, ...args], {
    cwd: options.cwd,
    env: { ...env, ...options.env },
  });
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    for (const look of waiting) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  if (options.stdin !== undefined) child.stdin.end(options.stdin);
  const ended = new Promise<Ran>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
      for (const look of waiting) look();
    });
  });
  const said = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (stdout.includes(text)) resolve();
        else if (child.exitCode !== null) reject(new Error(`it ended without ${text}: ${stdout}${stderr}`));
        else return;
        waiting.delete(look);
      };
      waiting.add(look);
      look();
    });
  return { child, ended, stdout: () => stdout, said };
}

export function run(args: readonly string[], options: RunOptions): Promise<Ran> {
  return start(args, { stdin: '', ...options }).ended;
}
