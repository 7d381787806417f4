import { spawn, type ChildProcess } from 'node:child_process';
import { CliFailure, ExitCode } from '../failure.ts';

/** A program that was started, with our own input and output. */
export interface Program {
  /** Resolves when it runs. Rejects with words when it cannot be started. */
  readonly started: Promise<void>;
  /** Resolves with its exit code; 128 and the signal's number when a signal ended it, as shells say it. */
  readonly ended: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGSEGV: 11, SIGTERM: 15 };

/** As shells say it. */
const NOT_STARTED = 127;

/** Starts it. */
export function startProgram(argv: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Program {
  const [command = '', ...args] = argv;
  // A group of its own: Ctrl-C then reaches only this process, which deregisters before it passes the signal on.
  const child: ChildProcess = spawn(command, args, { cwd, env, stdio: 'inherit', detached: true });
  const started = new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'ENOENT' ? 'there is no such command' : error.message;
      reject(new CliFailure(ExitCode.usage, `${command} cannot be started: ${why}`, 'Name a program behind "--".'));
    });
  });
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(NOT_STARTED));
    child.once('exit', (code, signal) => resolve(code ?? 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0)));
  });
  return {
    started,
    ended,
    kill(signal) {
      if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      try {
        // The whole group: a shell that was named as the command does not pass signals on.
        process.kill(-child.pid, signal);
      } catch {
        child.kill(signal);
      }
    },
  };
}
