import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { childArgs, type Role } from './child.ts';

/** Core of what is measured, and of all that loads it. */
export const SUBJECT_CORE = 0;
export const LOAD_CORE = 1;

export interface ProcessOptions {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Core it runs on, where the machine can pin; undefined is any. */
  readonly core?: number | undefined;
  /** Gets what it writes to standard error, and to standard output unless that is asked. */
  readonly logFile: string;
  /** Whether it speaks lines of JSON: the first when it is ready, then one for each line it gets. Default false. */
  readonly speaksJson?: boolean;
}

/** A process that this bench has started. */
export interface Process {
  readonly name: string;
  readonly pid: number;
  /** What it said first; at once for one that does not speak. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  /** Sends a line and resolves with its answer. */
  ask<T>(line: string): Promise<T>;
  /** Asks it to end, resolves when it has. */
  stop(): Promise<void>;
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<void>;
}

const STOP_TIMEOUT_MS = 10_000;

const alive = new Set<ChildProcess>();

/** Ends at once whatever is left of this bench's own processes. */
export function endAllProcesses(): void {
  for (const child of alive) child.kill('SIGKILL');
}

/** False where processes cannot be kept on cores of their own; numbers are then less steady. */
export const canPin: boolean = spawnSync('taskset', ['-c', String(LOAD_CORE), 'true']).status === 0;

export function startProcess(options: ProcessOptions): Process {
  const { name, logFile, core, speaksJson = false } = options;
  const pinned = core !== undefined && canPin;
  const [command, ...args] = [...(pinned ? ['taskset', '-c', String(core)] : []), options.command, ...options.args];
  const log = openSync(logFile, 'a');
  const child = spawn(command as string, args, { stdio: ['pipe', speaksJson ? 'pipe' : log, log] });
  alive.add(child);
  const waiting: ((answer: Record<string, unknown>) => void)[] = [];
  const failures: ((error: Error) => void)[] = [];
  const ended = new Promise<void>((resolve) => {
    const onEnd = (how: string): void => {
      alive.delete(child);
      for (const reject of failures.splice(0)) reject(new Error(`${name} ended (${how}). ${lastLines(logFile)}`));
      resolve();
    };
    child.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    child.once('error', (error) => onEnd(error.message));
  });
  // Writing to a process that has just ended is its end's business.
  child.stdin?.on('error', () => undefined);
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{')) waiting.shift()?.(JSON.parse(line) as Record<string, unknown>);
      else writeSync(log, `${line}\n`);
    });
  }
  const hear = <T>(): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      failures.push(reject);
      waiting.push((answer) => {
        failures.splice(failures.indexOf(reject), 1);
        resolve(answer as T);
      });
    });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // Those that read it end with it; the others by the signal.
    child.stdin?.end();
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  return {
    name,
    pid: child.pid ?? 0,
    ready: speaksJson ? hear() : Promise.resolve({}),
    ask(line) {
      const answer = hear<never>();
      child.stdin?.write(`${line}\n`);
      return answer;
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
  };
}

/** The folder of a run goes with it, so an error carries what the process had to say. */
function lastLines(logFile: string): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  return `It wrote last:\n${lines.slice(-5).join('\n')}`;
}

export interface RoleOptions extends Pick<ProcessOptions, 'logFile' | 'core'> {
  /** Folder for a CPU profile. */
  readonly profile?: string | undefined;
}

/** Starts this program in one of its roles. */
export function startRole(role: Role, options: unknown, { profile, ...about }: RoleOptions): Process {
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const args = ['--disable-warning=ExperimentalWarning', ...profiling, ...childArgs(role, options)];
  return startProcess({ name: role, command: process.execPath, args, speaksJson: true, ...about });
}
