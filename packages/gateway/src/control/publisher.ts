import type { MessagePort } from 'node:worker_threads';
import { endpointKey, type Clock } from '@bascule/core';
import type { DataThread, FirstSnapshot } from '../data/thread.ts';
import type { Snapshot } from '../snapshot.ts';
import { createPacer } from './pacer.ts';

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

/** What a data thread has been given. */
interface Known {
  /** Module versions that it has a port to. */
  keys: ReadonlySet<string>;
  /** Digests of the schemas that it has. */
  schemas: ReadonlySet<string>;
}

/** A data thread as far as it was told. */
interface Reader extends Known {
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

  /** The picture for one thread: with a port to each version and each schema that it does not have yet. */
  function prepare(whole: Snapshot, reader: Known): FirstSnapshot & Known {
    const schemas = whole.schemas.map((schema) =>
      reader.schemas.has(schema.digest) ? { digest: schema.digest, bytes: undefined } : schema,
    );
    const snapshot = { ...whole, schemas };
    const wanted = new Set(moduleKeys(snapshot));
    const ports = new Map<string, MessagePort>();
    const gone = new Set<string>();
    for (const key of wanted) {
      if (reader.keys.has(key)) continue;
      const port = options.openPort(key);
      if (port === undefined) gone.add(key);
      else ports.set(key, port);
    }
    return {
      snapshot: gone.size === 0 ? snapshot : without(snapshot, gone),
      ports,
      keys: wanted.difference(gone),
      schemas: new Set(schemas.map(({ digest }) => digest)),
    };
  }

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
    const next = prepare(snapshot, reader);
    reader.keys = next.keys;
    reader.schemas = next.schemas;
    const applied = thread.apply(next.snapshot, next.ports);
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
        const first = prepare(options.compile(++revision), { keys: new Set(), schemas: new Set() });
        const thread = await start(first);
        threads.set(thread, { keys: first.keys, schemas: first.schemas, pace: 'prompt' });
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

function moduleKeys(snapshot: Snapshot): string[] {
  return snapshot.clusters.flatMap(({ endpoints }) =>
    endpoints.filter((endpoint) => endpoint.protocol === 'port').map((endpoint) => endpointKey(endpoint)),
  );
}

function without(snapshot: Snapshot, keys: ReadonlySet<string>): Snapshot {
  const clusters = snapshot.clusters.map((cluster) => ({
    ...cluster,
    endpoints: cluster.endpoints.filter((endpoint) => !keys.has(endpointKey(endpoint))),
  }));
  return { ...snapshot, clusters };
}
