import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Longest time a child has to say that it is ready. */
const READY_TIMEOUT_MS = 60_000;

/** Longest time a child has to end by itself, before it is ended. */
const STOP_TIMEOUT_MS = 12_000;

export interface ChildOptions {
  readonly name: string;
  readonly cwd: string;
  /** Of Node. The child gets the end of its standard input as the word to stop. */
  readonly args: readonly string[];
  /** Hears what the child has to say to people. */
  readonly onLine: (line: string) => void;
}

/** How a process ended, for people: "exit code 1", "SIGKILL". */
type Ending = string;

export interface Child {
  readonly name: string;
  /** Undefined if it could not be started. */
  readonly pid: number | undefined;
  /** The JSON that the child writes first when it is ready. Rejects when it ends before that. */
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  readonly ended: Promise<Ending>;
  /** Asks the child to end; resolves when it has. */
  stop(): Promise<void>;
  kill(): void;
}

/** Starts a process of the demo. */
export function startChild({ name, cwd, args, onLine }: ChildOptions): Child {
  const process_ = spawn(process.execPath, [...args], { cwd, stdio: ['pipe', 'pipe', 'pipe'] });
  const ready = Promise.withResolvers<Readonly<Record<string, unknown>>>();
  const ended = Promise.withResolvers<Ending>();
  const timer = setTimeout(
    () => ready.reject(new Error(`${name} is not ready after ${READY_TIMEOUT_MS / 1000} s`)),
    READY_TIMEOUT_MS,
  );
  // A launcher that stops meanwhile does not wait for it.
  ready.promise.catch(() => undefined).finally(() => clearTimeout(timer));
  createInterface({ input: process_.stdout }).on('line', (line) => {
    const said = parseObject(line);
    if (said === undefined) onLine(toPlain(line));
    else ready.resolve(said);
  });
  createInterface({ input: process_.stderr }).on('line', (line) => onLine(toPlain(toWords(line))));
  // Writing to a child that is gone already must not end the launcher.
  process_.stdin.on('error', () => undefined);
  process_.once('error', (error) => ended.resolve(error.message));
  process_.once('exit', (code, signal) => ended.resolve(signal ?? `exit code ${code}`));
  void ended.promise.then((how) => ready.reject(new Error(`${name} does not start (${how})`)));
  return {
    name,
    pid: process_.pid,
    ready: ready.promise,
    ended: ended.promise,
    async stop() {
      process_.stdin.end();
      const timer = setTimeout(() => process_.kill('SIGKILL'), STOP_TIMEOUT_MS);
      await ended.promise;
      clearTimeout(timer);
    },
    kill: () => void process_.kill('SIGKILL'),
  };
}

/** What a good word says beside its message; the rest of its fields are for machines. */
const TOLD: ReadonlySet<string> = new Set(['module', 'version', 'endpoint', 'file']);

/** What nobody reads even in a bad one. */
const UNTOLD: ReadonlySet<string> = new Set(['time', 'digest', 'folder']);

/** A log line for people; the processes of `bascule --json` write them for machines. */
function toWords(line: string): string {
  const { level, message, error, advice, ...details } = parseObject(line) ?? {};
  if (typeof message !== 'string') {
    return typeof error === 'string' ? [error, advice].filter((word) => typeof word === 'string').join('. ') : line;
  }
  const good = level === 'info';
  const told = Object.entries(details).filter(([name]) => (good ? TOLD.has(name) : !UNTOLD.has(name)));
  const tail = told.map(([name, value]) => `${name}=${String(value)}`);
  return [good ? '' : `${String(level)}:`, message, ...tail].filter((word) => word !== '').join(' ');
}

/** A module's words come along in here: nothing in them may steer the terminal. */
function toPlain(text: string): string {
  return text.replaceAll(/(?!\t)[\p{Cc}\p{Cf}]/gu, '?');
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
