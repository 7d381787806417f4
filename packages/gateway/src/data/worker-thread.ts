import { Worker, type MessagePort } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { ListenError } from '@bascule/wire';
import type { SnapshotUpdate } from '../snapshot.ts';
import type { FromData, ToData } from './protocol.ts';
import type { DataListenOptions, DataThread, FirstSnapshot } from './thread.ts';

type Answer = Extract<FromData, { readonly id: number }>;

/** `closing` has been told to end, `ended` has ended or is about to: no more answers. */
type State = 'running' | 'closing' | 'ended';

/** Beyond the grace: a thread that has not ended by then hears nothing any more, and a stop must end. */
const STUCK_AFTER_MS = 5_000;

/** A data thread in a worker. `onLost` tells that it ended without having been told to. */
export async function createWorkerThread(
  options: DataListenOptions,
  first: FirstSnapshot,
  onLost: (why: string) => void,
): Promise<DataThread> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: { options, first },
    transferList: [...first.ports.values()],
    execArgv: [],
  });
  const waiting = new Map<number, (answer: Answer | undefined) => void>();
  let lastId = 0;
  let state: State = 'running';
  const exited = new Promise<void>((resolve) => void worker.once('exit', () => resolve()));

  const port = await new Promise<number>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('the data thread ended while it started')));
    worker.once('message', (message: FromData) => {
      if (message.type === 'listening') resolve(message.port);
      else if (message.type === 'not-listening') {
        const cause = Object.assign(new Error(message.message), { code: message.code });
        reject(new ListenError(cause, options.host, options.port));
      }
    });
  });
  // The exit that follows says no more than the error did.
  worker.on('error', (error: Error) => end(error.message));
  worker.on('exit', () => end('the thread ended'));
  worker.on('message', (message: FromData) => {
    if (!('id' in message)) return;
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  });

  function end(why: string): void {
    const before = state;
    state = 'ended';
    // Whoever still waits for an answer would wait for ever.
    for (const resolve of waiting.values()) resolve(undefined);
    waiting.clear();
    if (before === 'running') onLost(why);
  }

  function ask(make: (id: number) => ToData, transfer: MessagePort[] = []): Promise<Answer | undefined> {
    // Nobody hears a question any more, and what is closed down after a loss must not hang on it.
    if (state === 'ended') return Promise.resolve(undefined);
    const id = ++lastId;
    return new Promise((resolve) => {
      waiting.set(id, resolve);
      worker.postMessage(make(id), transfer);
    });
  }

  return {
    port,
    async apply(snapshot: SnapshotUpdate, ports: ReadonlyMap<string, MessagePort>) {
      await ask((id) => ({ type: 'apply', id, snapshot, ports }), [...ports.values()]);
    },
    async collect() {
      const answer = await ask((id) => ({ type: 'collect', id }));
      if (answer?.type !== 'report') throw new Error('the data thread ended while it was asked');
      return answer.report;
    },
    async loads(withinMs) {
      const answer = await ask((id) => ({ type: 'loads', id, withinMs }));
      return answer?.type === 'loads' ? answer.loads : [];
    },
    async close(graceMs) {
      if (state === 'running') state = 'closing';
      const timer = systemClock.after(graceMs + STUCK_AFTER_MS, () => void worker.terminate());
      await ask((id) => ({ type: 'close', id, graceMs }));
      await exited;
      timer.cancel();
    },
  };
}
