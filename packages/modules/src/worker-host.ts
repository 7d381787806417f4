import type { MessagePort } from 'node:worker_threads';
import type { Clock, Endpoint, Timer } from '@bascule/core';
import type { ModuleLimits } from './limits.ts';
import { watchMemory } from './memory-watch.ts';
import { messageOf } from './refusal.ts';
import { transitionWorker, type WorkerEvent, type WorkerState } from './worker-state.ts';
import type { Thread } from './worker-thread.ts';
import type { Loaded } from './worker/messages.ts';

export interface WorkerHostOptions {
  readonly module: string;
  readonly version: string;
  readonly digest: string;
  readonly bundlePath: string;
  readonly limits: ModuleLimits;
  readonly clock: Clock;
  /** A thread that has loaded nothing yet. May throw: then the start has failed. */
  takeThread(): Thread;
  /** Grows with each call, over all versions: tells starts apart. */
  nextIncarnation(): number;
  /** Also try again when the very first start fails; for what was current before. Default false. */
  readonly mustRun: boolean;
  /** Called after every change of state. */
  onChange(state: WorkerState): void;
  onOutput(line: string, stream: 'stdout' | 'stderr'): void;
}

/** What can be published of a version: the endpoint of one start, and what it serves. */
export interface Serving {
  readonly endpoint: Endpoint;
  readonly loaded: Loaded;
}

/** Runs one version: one worker at a time, started again after a crash until retired. */
export interface WorkerHost {
  state(): WorkerState;
  /** Of the last start that loaded; a crashed one keeps it until the next is up. */
  serving(): Serving | undefined;
  /** Resolves when the first start has loaded or died. */
  readonly settled: Promise<void>;
  /** Throws unless ready. */
  openPort(): MessagePort;
  openCalls(): number;
  /** No new ports from here on; ends when the open ones are closed. */
  retire(): void;
  /** Ends at once, with all its calls. */
  close(): Promise<void>;
  readonly ended: Promise<void>;
}

/** Starts a version. */
export function createWorkerHost(options: WorkerHostOptions): WorkerHost {
  const { clock, limits } = options;
  const settled = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const timers = new Set<Timer>();
  let state: WorkerState = { state: 'starting', restarts: 0, onDeath: options.mustRun ? 'restart' : 'fail' };
  let thread: Thread | undefined;
  let serving: Serving | undefined;
  let crashes = 0;
  let readyMs = 0;

  const after = (delayMs: number, fn: () => void): void => {
    const timer = clock.after(delayMs, () => {
      timers.delete(timer);
      fn();
    });
    timers.add(timer);
  };
  const dispatch = (event: WorkerEvent): void => {
    const next = transitionWorker(state, event);
    if (next === state) return;
    const from = state;
    state = next;
    enter(from);
    options.onChange(next);
  };
  const enter = (from: WorkerState): void => {
    switch (state.state) {
      case 'starting':
        void start();
        return;
      case 'ready':
        readyMs = clock.nowMs();
        break;
      case 'draining':
        if (thread === undefined || thread.openPorts() === 0) queueMicrotask(() => dispatch({ type: 'drained' }));
        else if (limits.drainTimeoutMs > 0) after(limits.drainTimeoutMs, () => dispatch({ type: 'drained' }));
        return;
      case 'crashed':
        crashes = from.state === 'ready' && clock.nowMs() - readyMs > limits.restartForgetMs ? 1 : crashes + 1;
        after(restartDelayMs(crashes, limits, clock), () => dispatch({ type: 'restarting' }));
        break;
      case 'failed':
      case 'ended':
        void finish();
        break;
    }
    settled.resolve();
  };
  const finish = async (): Promise<void> => {
    for (const timer of timers) timer.cancel();
    timers.clear();
    await thread?.end('the version was ended');
    ended.resolve();
  };
  const start = async (): Promise<void> => {
    try {
      const own = options.takeThread();
      thread = own;
      own.onOutput((line, stream) => options.onOutput(line, stream));
      own.onIdle(() => dispatch({ type: 'drained' }));
      const { bundlePath, module, version } = options;
      const loaded = await own.load({ bundlePath, module, version, maxMessageBytes: limits.maxMessageBytes });
      serving = { loaded, endpoint: endpointOf(options, loaded) };
      void own.ended.then((reason) => own === thread && dispatch({ type: 'died', reason }));
      watchMemory(own, limits, clock);
      dispatch({ type: 'loaded' });
    } catch (error) {
      dispatch({ type: 'died', reason: messageOf(error) });
    }
  };
  // On a later turn, so that the caller holds the host before the first change is told.
  queueMicrotask(() => {
    if (state.state === 'starting') void start();
  });

  return {
    state: () => state,
    serving: () => serving,
    settled: settled.promise,
    openPort() {
      if (state.state !== 'ready' || thread === undefined)
        throw new Error(`version ${options.version} of ${options.module} is ${state.state} and takes no port`);
      return thread.openPort();
    },
    openCalls: () => thread?.openCalls() ?? 0,
    retire: () => dispatch({ type: 'retired' }),
    async close() {
      dispatch({ type: 'closed' });
      await ended.promise;
    },
    ended: ended.promise,
  };
}

/** Doubles with each crash that came without a long enough life in between; `crashes` counts from 1. */
function restartDelayMs(crashes: number, limits: ModuleLimits, clock: Clock): number {
  const delayMs = Math.min(limits.restartMaxMs, limits.restartFirstMs * 2 ** (crashes - 1));
  return delayMs * (0.8 + 0.4 * clock.random());
}

function endpointOf(options: WorkerHostOptions, loaded: Loaded): Endpoint {
  const { module, version, digest } = options;
  return {
    instanceId: `${module}@${version}+${digest.slice('sha256:'.length, 'sha256:'.length + 12)}`,
    incarnation: options.nextIncarnation(),
    host: 'module',
    port: 0,
    protocol: 'port',
    codecs: ['proto', 'json'],
    weight: 1,
    priority: 0,
    zone: '',
    services: loaded.services,
    schemaDigest: loaded.schemaDigest,
    moduleVersion: version,
    labels: { module },
  };
}
