import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { Clock } from '@bascule/core';
import { createWorker, describeCrash } from './create-worker.ts';
import type { ModuleLimits } from './limits.ts';
import { createLineSplitter } from './output-lines.ts';
import { messageOf } from './refusal.ts';
import { isWorkerMessage, type HostMessage, type Loaded, type LoadRequest } from './worker/messages.ts';

/** One worker thread from start to end. It runs at most one version. */
export interface Thread {
  /** Runs a bundle. Rejects with the reason when it throws, ends or does not settle in time; the thread is then over. */
  load(request: LoadRequest): Promise<Loaded>;
  /** A way to it; closes by itself when the thread ends. */
  openPort(): MessagePort;
  openPorts(): number;
  /** As the thread last said, about once a second. */
  openCalls(): number;
  isAlive(): boolean;
  /** What its isolate holds; answered also while its code runs without a break. */
  memory(): Promise<{ heapBytes: number; externalBytes: number }>;
  /** Asks it to collect garbage, when it comes to it. */
  collect(): void;
  /** Called with each line it prints, at once after a start too: one listener. */
  onOutput(listener: (line: string, stream: 'stdout' | 'stderr') => void): void;
  /** Called when the last port was closed. One listener. */
  onIdle(listener: () => void): void;
  /** Resolves with the reason when the thread is over. */
  readonly ended: Promise<string>;
  /** Ends it, whatever it does, and resolves when it is gone. The first reason given counts. */
  end(reason: string): Promise<void>;
}

const END_TIMEOUT_MS = 5_000;

export interface ThreadOptions {
  /** What it starts with, as of worker-code.ts. */
  readonly code: URL;
  readonly limits: ModuleLimits;
  readonly clock: Clock;
}

/** Starts a thread with the kit loaded, waiting for a bundle. */
export function startThread({ code, limits, clock }: ThreadOptions): Thread {
  const channel = new MessageChannel();
  const control = channel.port1;
  const worker = createWorker(code, limits, channel.port2);
  const ports = new Set<number>();
  const loading = Promise.withResolvers<Loaded>();
  const ended = Promise.withResolvers<string>();
  loading.promise.catch(() => undefined);
  let state: { alive: true; calls: number; lastPort: number } | { alive: false } = {
    alive: true,
    calls: 0,
    lastPort: 0,
  };
  let cause: string | undefined;
  let idleListener: (() => void) | undefined;

  control.on('message', (message: unknown) => {
    if (!state.alive) return;
    if (!isWorkerMessage(message)) return void end('the worker said what makes no sense');
    switch (message.type) {
      case 'loaded':
        return loading.resolve(message.loaded);
      case 'load-failed':
        return loading.reject(new Error(message.reason));
      case 'calls':
        state = { ...state, calls: message.open };
        return;
      case 'port-closed':
        ports.delete(message.id);
        if (ports.size === 0) idleListener?.();
    }
  });
  worker.on('error', (error: unknown) => {
    cause ??= describeCrash(error, limits);
  });
  const over = (how: string): void => {
    state = { alive: false };
    cause ??= how;
    control.close();
    ports.clear();
    loading.reject(new Error(cause));
    ended.resolve(cause);
  };
  worker.on('exit', (code) => over(`the worker exited with code ${code}`));
  const end = async (reason: string): Promise<void> => {
    cause ??= reason;
    void worker.terminate();
    // V8 leaves out the interrupt check in some optimized loops, as in `for (;;) a = new Array(1000)`: such a thread
    // cannot be ended. Whoever waits must come back nonetheless.
    const timer = clock.after(END_TIMEOUT_MS, () => over('it does not react'));
    await ended.promise;
    timer.cancel();
  };
  const send = (message: HostMessage, transfer: MessagePort[] = []): void => control.postMessage(message, transfer);

  return {
    async load(request) {
      send({ type: 'load', request });
      const timer = clock.after(limits.loadTimeoutMs, () => {
        void end(`the module did not load within ${limits.loadTimeoutMs} ms`);
      });
      try {
        return await loading.promise;
      } catch (error) {
        await end(messageOf(error));
        throw error;
      } finally {
        timer.cancel();
      }
    },
    openPort() {
      if (!state.alive) throw new Error('the worker has ended');
      const id = state.lastPort + 1;
      state = { ...state, lastPort: id };
      const { port1, port2 } = new MessageChannel();
      ports.add(id);
      send({ type: 'port', id, port: port2 }, [port2]);
      return port1;
    },
    openPorts: () => ports.size,
    openCalls: () => (state.alive ? state.calls : 0),
    isAlive: () => state.alive,
    async memory() {
      const { used_heap_size: heapBytes, external_memory: externalBytes } = await worker.getHeapStatistics();
      return { heapBytes, externalBytes };
    },
    collect: () => send({ type: 'collect' }),
    onOutput(listener) {
      worker.stdout.on(
        'data',
        createLineSplitter((line) => listener(line, 'stdout')),
      );
      worker.stderr.on(
        'data',
        createLineSplitter((line) => listener(line, 'stderr')),
      );
    },
    onIdle(listener) {
      idleListener = listener;
    },
    ended: ended.promise,
    end,
  };
}
