import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { atExit } from './at-exit.ts';
import { makeFolder } from './folders.ts';
import type { RealServer } from './real-server.ts';

/** What differs between servers. */
export interface ServerPlan {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  /** The program, started directly: no shell stands between it and us. `data` is wiped by an empty restart. */
  command(data: string): Command;
  /** Writes what it reads at its start into the data folder, when that is new. */
  prepare?(data: string): Promise<void> | void;
  /** Whether it really answers; a rejection means no. Asked again and again. */
  isReady(): Promise<boolean>;
  /** Makes accounts and the like in a server whose data is new. */
  populate?(): Promise<void>;
  /** Ends what goes with it. Also after a start that failed; twice when it is stopped twice. */
  afterStop?(): Promise<void>;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Default: its temporary folder. */
  readonly cwd?: string;
}

/** What the slowest needs on a machine that does much else. */
const START_TIMEOUT_MS = 120_000;
const POLL_MS = 20;
const ASK_TIMEOUT_MS = 2_000;
const TERMINATE_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 2_000;

/** Linux ends the child with its parent even if that is killed, which no handler of ours could see. */
const SETPRIV = '/usr/bin/setpriv';

/** Starts what is planned and resolves when it answers. Throws with what it printed when it does not. */
export async function runServer(plan: ServerPlan): Promise<RealServer> {
  const folder = makeFolder(plan.name);
  const data = join(folder.path, 'data');
  const log = join(folder.path, 'output.log');
  let child: ChildProcess | undefined;
  const forget = atExit(() => child?.kill('SIGKILL'));

  const output = (): string => (existsSync(log) ? readFileSync(log, 'utf8') : '');

  async function start(): Promise<void> {
    const isNew = !existsSync(data);
    mkdirSync(data, { recursive: true });
    if (isNew) await plan.prepare?.(data);
    const started = launch(plan.command(data), folder.path, log);
    child = started;
    await answers(started);
    if (isNew) await plan.populate?.();
  }

  async function answers(started: ChildProcess): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await isReady(plan))) {
      const isDead = started.exitCode !== null || started.signalCode !== null || started.pid === undefined;
      if (isDead || performance.now() > deadline) {
        const what = isDead ? 'ended at its start' : 'did not answer in time';
        throw new Error(`${plan.name} ${what}; it printed:\n${output().slice(-4_000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const ending = child;
    child = undefined;
    if (ending === undefined || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, 'exit');
    ending.kill(signal);
    if (signal === 'SIGTERM') ending.kill('SIGCONT');
    const last = setTimeout(() => ending.kill('SIGKILL'), TERMINATE_TIMEOUT_MS);
    await gone;
    clearTimeout(last);
  }

  async function stop(): Promise<void> {
    await end('SIGKILL');
    forget();
    folder.remove();
    await plan.afterStop?.();
  }

  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name: plan.name,
    host: '127.0.0.1',
    port: plan.port,
    address: `127.0.0.1:${plan.port}`,
    url: plan.url,
    get pid() {
      if (child?.pid === undefined) throw new Error(`${plan.name} does not run`);
      return child.pid;
    },
    output,
    pause() {
      child?.kill('SIGSTOP');
      if (child?.pid !== undefined) waitUntilStopped(child.pid);
    },
    resume: () => void child?.kill('SIGCONT'),
    kill: () => end('SIGKILL'),
    async restart(options = {}) {
      await end('SIGTERM');
      if (options.empty === true) rmSync(data, { recursive: true, force: true });
      await start();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function launch({ file, args, env, cwd }: Command, folder: string, log: string): ChildProcess {
  const [program, rest] = existsSync(SETPRIV) ? [SETPRIV, ['--pdeathsig', 'KILL', file, ...args]] : [file, args];
  const out = openSync(log, 'a');
  const child = spawn(program, rest, {
    cwd: cwd ?? folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  // A program that is missing ends the wait by having no pid; without a listener it would end this process.
  child.on('error', () => undefined);
  child.unref();
  return child;
}

/** The signal is sent at once, but a thread that runs elsewhere may answer one more question until it arrives there. */
function waitUntilStopped(pid: number): void {
  const tasks = `/proc/${pid}/task`;
  const runs = (task: string): boolean => !/\) [TtZX]/.test(readFileSync(`${tasks}/${task}/stat`, 'utf8'));
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (performance.now() < deadline) {
    try {
      if (!readdirSync(tasks).some(runs)) return;
    } catch (error) {
      // A thread that has just ended; without /proc there is nothing to look at.
      if (!existsSync(tasks)) return;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

async function isReady(plan: ServerPlan): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ASK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([plan.isReady(), late]);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
