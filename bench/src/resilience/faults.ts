import { wait } from '../time.ts';
import type { FaultBackend } from './fault-backend.ts';

/** One way in which backends fail. */
export interface Fault {
  /** As the command line names it. */
  readonly name: string;
  /** What is done, for people. */
  readonly about: string;
  /** Whether some backend stays good: then no call may fail. */
  readonly isPartial: boolean;
  /** Begins it, keeps it for so long, ends it. */
  play(backends: readonly FaultBackend[], forMs: number): Promise<void>;
}

const DRAIN_MS = 500;

const victimOf = (backends: readonly FaultBackend[]): FaultBackend => backends[0] as FaultBackend;

export const FAULTS: readonly Fault[] = [
  {
    name: 'paused',
    about: 'one of the backends is paused by SIGSTOP',
    isPartial: true,
    async play(backends, forMs) {
      victimOf(backends).pause();
      await wait(forMs);
      victimOf(backends).resume();
    },
  },
  {
    name: 'killed',
    about: 'one of the backends is killed with -9, and back at the end',
    isPartial: true,
    async play(backends, forMs) {
      await victimOf(backends).kill();
      await wait(forMs);
      await victimOf(backends).restart();
    },
  },
  {
    name: 'trailers',
    about: 'one of the backends fails 30 % of its calls in trailers',
    isPartial: true,
    async play(backends, forMs) {
      await victimOf(backends).set({ failShare: 0.3 });
      await wait(forMs);
      await victimOf(backends).set({});
    },
  },
  {
    name: 'slow',
    about: 'one of the backends is 10 times as slow',
    isPartial: true,
    async play(backends, forMs) {
      await victimOf(backends).set({ slowness: 10 });
      await wait(forMs);
      await victimOf(backends).set({});
    },
  },
  {
    name: 'drain',
    about: `one backend after the other drains by GOAWAY and is back after ${DRAIN_MS} ms`,
    isPartial: true,
    async play(backends, forMs) {
      for (let atMs = 0, i = 0; atMs < forMs; atMs += 2 * DRAIN_MS, i++) {
        await (backends[i % backends.length] as FaultBackend).drain(DRAIN_MS);
        await wait(DRAIN_MS);
      }
    },
  },
  {
    name: 'all',
    about: 'all backends fail all calls in trailers',
    isPartial: false,
    async play(backends, forMs) {
      await Promise.all(backends.map((backend) => backend.set({ failShare: 1 })));
      await wait(forMs);
      await Promise.all(backends.map((backend) => backend.set({})));
    },
  },
];
