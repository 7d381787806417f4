import type { Clock } from '@bascule/core';
import { listen } from '@bascule/wire';
import { createLocalThread } from '../data/local-thread.ts';
import { notFound } from '../data/not-found.ts';
import type { DataThread } from '../data/thread.ts';
import { createWorkerThread } from '../data/worker-thread.ts';
import type { Publisher } from './publisher.ts';

export interface ThreadsOptions {
  readonly host: string;
  readonly port: number;
  /** 0 takes calls in this thread. */
  readonly workers: number;
  readonly clock: Clock;
  readonly publisher: Publisher;
  /** A data worker ended without having been told to. */
  onLost(why: string): void;
}

/** Starts the data threads; with port 0 the first one's choice holds for all. */
export async function startThreads(options: ThreadsOptions): Promise<DataThread[]> {
  const { host, port, workers, clock, publisher } = options;
  if (workers === 0) {
    return [await publisher.attach((first) => createLocalThread({ host, port, reusePort: false, clock }, first))];
  }
  await probe(host, port, clock);
  const threads: DataThread[] = [];
  try {
    for (let i = 0; i < workers; i++) {
      const shared = { host, port: threads[0]?.port ?? port, reusePort: true };
      threads.push(await publisher.attach((first) => createWorkerThread(shared, first, (why) => options.onLost(why))));
    }
  } catch (error) {
    await Promise.all(threads.map((thread) => thread.close(0)));
    throw error;
  }
  return threads;
}

/** Takes the port alone for a moment: a shared port would go unnoticed when a stranger shares it as well. */
async function probe(host: string, port: number, clock: Clock): Promise<void> {
  if (port === 0) return;
  const listener = await listen({ host, port, clock, service: notFound });
  await listener.close(0);
}
