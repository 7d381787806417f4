/** Entry of a data worker: a local data thread, steered by messages. */
import { parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { createLocalThread } from './local-thread.ts';
import type { FromData, ToData } from './protocol.ts';
import type { DataListenOptions, DataThread, FirstSnapshot } from './thread.ts';

function send(message: FromData): void {
  parentPort?.postMessage(message);
}

async function handle(thread: DataThread, message: ToData): Promise<void> {
  switch (message.type) {
    case 'apply':
      await thread.apply(message.snapshot, message.ports);
      return send({ type: 'done', id: message.id });
    case 'collect':
      return send({ type: 'report', id: message.id, report: await thread.collect() });
    case 'loads':
      return send({ type: 'loads', id: message.id, loads: await thread.loads(message.withinMs) });
    case 'close':
      await thread.close(message.graceMs);
      send({ type: 'done', id: message.id });
      return parentPort?.close();
  }
}

try {
  const { options, first } = workerData as { options: DataListenOptions; first: FirstSnapshot };
  const thread = await createLocalThread({ ...options, clock: systemClock }, first);
  parentPort?.on('message', (message: ToData) => void handle(thread, message));
  send({ type: 'listening', port: thread.port });
} catch (error) {
  const { code, message } = error as { code?: string; message: string };
  send({ type: 'not-listening', code: code ?? '', message });
}
