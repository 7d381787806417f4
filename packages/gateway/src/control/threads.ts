import type { Clock } from '@bascule/core';
import { listen } from '@bascule/wire';
import type { TlsSettings } from '../config/settings-types.ts';
import { createLocalThread } from '../data/local-thread.ts';
import { notFound } from '../data/not-found.ts';
import type { DataThread } from '../data/thread.ts';
import { createWorkerThread } from '../data/worker-thread.ts';
import type { Publisher } from './publisher.ts';
import { readTls } from './tls.ts';

export interface ThreadsOptions {
  readonly host: string;
  readonly port: number;
  /** 0 takes calls in this thread. */
  readonly workers: number;
  readonly tls: TlsSettings | undefined;
  readonly clock: Clock;
  readonly publisher: Publisher;
  /** A data worker ended without having been told to. */
  onLost(why: string): void;
}

/** Starts the data threads; with port 0 the first one's choice holds for all. */
export async function startThreads(options: ThreadsOptions): Promise<DataThread[]> {
  const { host, port, workers, clock, publisher } = options;
  const tls = options.tls === undefined ? {} : { tls: await readTls(options.tls) };
  if (workers === 0) {
    return [
      await publisher.attach((first) => createLocalThread({ host, port, reusePort: false, clock, ...tls }, first)),
    ];
  }
  await probe(host, port, clock);
  const threads: DataThread[] = [];
  try {
    for (let i = 0; i < workers; i++) {
      const shared = { host, port: threads[0]?.port ?? port, reusePort: true, ...tls };
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
