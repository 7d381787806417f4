import { Worker } from 'node:worker_threads';
import { callError, Code, type Clock, type Timer } from '@bascule/core';
import type { BackgroundData, FromBackground, Job, ToBackground } from './background-messages.ts';
import type { Conversion } from './convert.ts';
import type { DecodeLimits } from './limits.ts';

/** A job that was taken. */
export interface RunningJob {
  /** Nobody waits for it any more. True when it had not begun, and is forgotten; else it ends as if nothing was. */
  cancel(): boolean;
}

/** Converts large messages in a worker, one at a time, so that they hold up nobody but each other. */
export interface Background {
  /** Takes a job, with a copy of its bytes; undefined when too many wait. */
  run(job: Job, done: (conversion: Conversion) => void): RunningJob | undefined;
  /** A schema that is not in use any more. */
  forget(digest: string): void;
  /** Ends the worker; what waits fails. */
  close(): Promise<void>;
}

export interface BackgroundOptions {
  readonly clock: Clock;
  readonly limits: DecodeLimits;
}

/** Jobs that may wait: with messages of 4 MiB, 64 MiB. */
const MAX_WAITING = 16;
/** A worker that has nothing to do for so long ends: it holds 10 MB or more. */
const IDLE_MS = 10_000;
/** For the largest message many times over; a worker that needs more is lost instead of the process. */
const MAX_HEAP_MIB = 512;

const LOST = callError(
  Code.resourceExhausted,
  'the message took more memory than its conversion may; send less at once',
);
const CLOSED = callError(Code.unavailable, 'the gateway is closing');

interface Entry {
  readonly job: Job;
  readonly done: (conversion: Conversion) => void;
}

export function createBackground(options: BackgroundOptions): Background {
  const waiting: Entry[] = [];
  let running: Entry | undefined;
  let worker: Worker | undefined;
  /** Digests whose schema the worker has. */
  let digests = new Set<string>();
  let idle: Timer | undefined;
  let state: 'open' | 'closed' = 'open';
  /** Workers that were told to end. */
  const ending = new Set<Promise<unknown>>();

  function start(): Worker {
    const workerData: BackgroundData = { limits: options.limits };
    const started = new Worker(new URL('./background-worker.ts', import.meta.url), {
      workerData,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MIB },
    });
    // A worker without work must not keep the process.
    started.unref();
    started.on('message', (conversion: FromBackground) => finish(conversion));
    started.on('error', () => lose(started));
    started.on('exit', () => lose(started));
    digests = new Set();
    return started;
  }

  /** The worker has gone by itself: what it was working on is lost, the next job starts another. */
  function lose(gone: Worker): void {
    if (worker !== gone) return;
    worker = undefined;
    if (running !== undefined) finish(LOST);
  }

  function end(): void {
    const gone = worker;
    worker = undefined;
    if (gone === undefined) return;
    const ended = gone.terminate().finally(() => ending.delete(ended));
    ending.add(ended);
  }

  function next(): void {
    if (running !== undefined) return;
    running = waiting.shift();
    if (running === undefined) {
      idle = options.clock.after(IDLE_MS, end);
      return;
    }
    idle?.cancel();
    worker ??= start();
    const { job } = running;
    const known = digests.has(job.digest);
    digests.add(job.digest);
    worker.postMessage({ type: 'convert', job: known ? { ...job, schema: undefined } : job } satisfies ToBackground);
  }

  function finish(conversion: Conversion): void {
    const ended = running;
    running = undefined;
    ended?.done(conversion);
    if (state === 'open') next();
  }

  return {
    run(job, done) {
      if (waiting.length >= MAX_WAITING || state === 'closed') return undefined;
      // A copy: what is lent changes before its turn has come.
      const bytes = new Uint8Array(job.work.bytes);
      const entry = { job: { ...job, work: { ...job.work, bytes } }, done };
      waiting.push(entry);
      next();
      return {
        cancel() {
          const at = waiting.indexOf(entry);
          if (at >= 0) waiting.splice(at, 1);
          return at >= 0;
        },
      };
    },
    forget(digest) {
      if (digests.delete(digest)) worker?.postMessage({ type: 'forget', digest } satisfies ToBackground);
    },
    async close() {
      state = 'closed';
      idle?.cancel();
      const left = running === undefined ? waiting.splice(0) : [running, ...waiting.splice(0)];
      running = undefined;
      for (const { done } of left) done(CLOSED);
      end();
      await Promise.all(ending);
    },
  };
}
