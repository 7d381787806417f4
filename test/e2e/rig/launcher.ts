import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './child.ts';

/** `npm start`'s script in a process group of its own, as a terminal would run it. */
export interface Launcher extends AsyncDisposable {
  readonly pid: number;
  /** All that it has printed. */
  output(): string;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** What Ctrl-C does: every process of the group gets the signal. */
  interrupt(): void;
  kill(): void;
}

export function startLauncher(flags: readonly string[]): Launcher {
  const child = spawn(process.execPath, [join(ROOT, 'scripts/start.mjs'), ...flags], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid as number;
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const ended = new Promise<number | string>((resolve) => {
    child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  return {
    pid,
    output: () => output,
    ended,
    interrupt: () => void process.kill(-pid, 'SIGINT'),
    kill: () => void child.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      // What a failed test has left must not disturb the next one.
      if (listGroup(pid).length > 0) process.kill(-pid, 'SIGKILL');
      await ended;
    },
  };
}

/** Processes that are still in the group of `pid`, zombies aside. */
export function listGroup(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((each) => {
      try {
        const [, rest = ''] = readFileSync(`/proc/${each}/stat`, 'utf8').split(/\) (?=[A-Z] )/);
        const [state, , group] = rest.split(' ');
        return state !== 'Z' && Number(group) === pid;
      } catch {
        return false;
      }
    });
}

/** The command line of a process. */
export function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}
