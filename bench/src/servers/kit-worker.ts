import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { servePort } from '@bascule/wire';
import { createEchoRoutes, type SharedCounts } from './echo-handlers.ts';

/** What the thread gets. */
export interface KitWorkerData {
  readonly counts: SharedCounts;
  readonly port: MessagePort;
}

const { counts, port } = workerData as KitWorkerData;
servePort(port, createKit({ routes: createEchoRoutes(counts) }).service, systemClock);
parentPort?.postMessage('ready');
