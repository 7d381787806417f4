import type { Clock } from '@bascule/core';
import type { ModuleLimits } from './limits.ts';
import { startThread, type Thread } from './worker-thread.ts';

/** Threads for versions to run in, one of them started ahead: loading the kit is most of a version's start. */
export interface ThreadSupply {
  take(): Thread;
  /** Starts the spare one, if there is none. */
  prepare(): void;
  close(): Promise<void>;
}

/** Makes a supply. It starts nothing before it is asked to. */
export function createThreadSupply(limits: ModuleLimits, clock: Clock): ThreadSupply {
  let spare: Thread | undefined;
  let open = true;
  return {
    take() {
      const thread = spare?.isAlive() === true ? spare : startThread(limits, clock);
      spare = undefined;
      return thread;
    },
    prepare() {
      if (open && limits.spareWorker && spare?.isAlive() !== true) spare = startThread(limits, clock);
    },
    async close() {
      open = false;
      const thread = spare;
      spare = undefined;
      await thread?.end('not needed any more');
    },
  };
}
