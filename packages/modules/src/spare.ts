import { startThread, type Thread, type ThreadOptions } from './worker-thread.ts';

/** Threads for versions to run in, one of them started ahead: loading the kit is most of a version's start. */
export interface ThreadSupply {
  /** Throws where the machine has no thread left. */
  take(): Thread;
  /** Starts the spare one, if there is none. One that is taken is replaced at once. */
  prepare(): void;
  close(): Promise<void>;
}

/** Makes a supply. It starts nothing before it is asked to. */
export function createThreadSupply(options: ThreadOptions): ThreadSupply {
  let spare: Thread | undefined;
  let open = true;
  const prepare = (): void => {
    if (!open || !options.limits.spareWorker || spare?.isAlive() === true) return;
    try {
      spare = startThread(options);
    } catch {
      // The machine has no thread left, which concerns whoever takes one: what serves already goes on.
      spare = undefined;
    }
  };
  return {
    take() {
      if (spare?.isAlive() !== true) return startThread(options);
      const thread = spare;
      spare = undefined;
      // At once: the next version may come before this one is current, and a restart after a crash asks for none.
      prepare();
      return thread;
    },
    prepare,
    async close() {
      open = false;
      const thread = spare;
      spare = undefined;
      await thread?.end('not needed any more');
    },
  };
}
