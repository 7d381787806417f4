import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { createPortLink, listen } from '@bascule/wire';
import type { ServeEcho } from './echo-process.ts';
import type { KitWorkerData } from './kit-worker.ts';

/** The same listener; the same kit behind a message port, as a module version is. */
export const serveEcho: ServeEcho = async (counts) => {
  const { port1, port2 } = new MessageChannel();
  const workerData: KitWorkerData = { counts, port: port2 };
  const worker = new Worker(new URL('./kit-worker.ts', import.meta.url), { workerData, transferList: [port2] });
  worker.once('error', (error) => {
    throw error;
  });
  await once(worker, 'message');
  const { service } = createPortLink(port1, systemClock);
  return (await listen({ host: '127.0.0.1', port: 0, service, clock: systemClock })).port;
};
