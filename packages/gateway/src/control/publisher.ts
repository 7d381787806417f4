import type { MessagePort } from 'node:worker_threads';
import type { Clock } from '@bascule/core';
import type { DataThread, FirstSnapshot } from '../data/thread.ts';
import type { Snapshot } from '../snapshot.ts';
import { createPacer } from './pacer.ts';
import { createThreadUpdate, NOTHING_KNOWN, type Known, type ThreadUpdate } from './thread-update.ts';

/** Brings snapshots to the data threads, one after the other. */
export interface Publisher {
  /** Starts a thread with the present picture, so that it never takes a call without one. */
  attach(start: (first: FirstSnapshot) => Promise<DataThread>): Promise<DataThread>;
  /** Makes a snapshot and puts it in place; resolves when every data thread uses it, or a newer one. */
  publish(): Promise<void>;
  /** Publishes soon, once for many calls. */
  schedule(): void;
  /** Revision of the newest snapshot. */
  revision(): number;
  /** What is scheduled is not published any more. */
  close(): void;
}

export interface PublisherOptions {
  readonly clock: Clock;
  compile(revision: number): Snapshot;
  /** A new port to a module version, or undefined when the version has just gone. */
  openPort(key: string): MessagePort | undefined;
  onError(error: Error): void;
  /** A thread took too long over a snapshot and is not waited for (true), or has caught up (false). */
  onLate(late: boolean): void;
}

/** A data thread as far as it was told. */
interface Reader {
  known: Known;
  pace: 'prompt' | 'late';
}

/** How long everybody waits for one thread. It takes milliseconds unless the thread is stuck. */
const APPLY_TIMEOUT_MS = 10_000;

export function createPublisher(options: PublisherOptions): Publisher {
  const threads = new Map<DataThread, Reader>();
  let last: Promise<unknown> = Promise.resolve();
  let queued: Promise<void> | undefined;
  let revision = 0;

  /** One step after the other; a step that fails does not stop those behind it. */
  function enqueue<T>(step: () => Promise<T>): Promise<T> {
    const result = last.then(step);
    last = result.catch(() => undefined);
    return result;
  }

  const updateFor = (whole: Snapshot, known: Known): ThreadUpdate =>
    createThreadUpdate(whole, known, (key) => options.openPort(key));

  async function publishToAll(): Promise<void> {
    queued = undefined;
    const snapshot = options.compile(++revision);
    await Promise.all([...threads].map(([thread, reader]) => bring(snapshot, thread, reader)));
  }

  /**
   * A thread that is stuck must not hold up deployments and the other threads. Going on without it loses nothing: what
   * it is sent waits for it in order, and a version it still has a port to drains until it lets go.
   */
  async function bring(snapshot: Snapshot, thread: DataThread, reader: Reader): Promise<void> {
    const next = updateFor(snapshot, reader.known);
    reader.known = next.known;
    const applied = thread.apply(next.snapshot, next.ports);
    // Nobody knows which endpoints it has now: the next picture has them all.
    applied.catch(() => (reader.known = { ...reader.known, endpoints: NOTHING_KNOWN.endpoints }));
    if (reader.pace === 'late') return void applied.catch((error: Error) => options.onError(error));
    if (await endsWithin(options.clock, applied, APPLY_TIMEOUT_MS)) return;
    reader.pace = 'late';
    options.onLate(true);
    applied.then(
      () => {
        reader.pace = 'prompt';
        options.onLate(false);
      },
      (error: Error) => options.onError(error),
    );
  }

  function publish(): Promise<void> {
    // A publish that waits takes in all changes made before it starts: one for all who ask meanwhile.
    queued ??= enqueue(publishToAll);
    return queued;
  }

  // Each picture is a whole one: many changes one after the other must not take all the time there is.
  const pacer = createPacer({
    clock: options.clock,
    restPerRun: 4,
    minRestMs: 0,
    maxRestMs: 500,
    run: () => publish().catch((error: Error) => options.onError(error)),
  });

  return {
    attach: (start) =>
      enqueue(async () => {
        const first = updateFor(options.compile(++revision), NOTHING_KNOWN);
        const thread = await start(first);
        threads.set(thread, { known: first.known, pace: 'prompt' });
        return thread;
      }),
    publish,
    schedule: () => pacer.schedule(),
    revision: () => revision,
    close: () => pacer.close(),
  };
}

/** Whether a promise settles in time. Rejects with it. */
async function endsWithin(clock: Clock, promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const over = Promise.withResolvers<boolean>();
  const timer = clock.after(timeoutMs, () => over.resolve(false));
  try {
    return await Promise.race([promise.then(() => true), over.promise]);
  } finally {
    timer.cancel();
  }
}
