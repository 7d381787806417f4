import type { Clock, Timer } from '@bascule/core';
import type { DiscoveryViewData, EndpointViewData } from '../admin/views.ts';
import { createPacer } from './pacer.ts';

/** Looks at discovery again and again, after news and each second, and knows when it has changed. */
export interface Lookout {
  /** As looked at last; `version` grows when that differs from before. Undefined before the first look has ended. */
  latest(): { readonly view: DiscoveryViewData | undefined; readonly version: number };
  /** Resolves at the next version, or when the signal aborts. Rejects when the next look fails. */
  next(signal: AbortSignal): Promise<void>;
  close(): void;
}

export interface LookoutOptions {
  readonly clock: Clock;
  view(): Promise<DiscoveryViewData>;
  /** Calls `listener` after a change, until the returned function is called. */
  onNews(listener: () => void): () => void;
}

const MIN_REST_MS = 250;
const MAX_REST_MS = 5_000;
/** A tenth of the time at most goes to looking. */
const REST_PER_LOOK = 9;
/** Connections come and go in the data threads, which do not tell by themselves. */
const LOOK_INTERVAL_MS = 1_000;

interface Waiter {
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

export function createLookout(options: LookoutOptions): Lookout {
  const { clock } = options;
  const waiters = new Set<Waiter>();
  let view: DiscoveryViewData | undefined;
  let shape = '';
  let version = 0;
  let timer: Timer | undefined;

  async function look(): Promise<void> {
    try {
      view = await options.view();
      const seen = shapeOf(view);
      if (seen === shape) return;
      shape = seen;
      version++;
      for (const waiter of waiters) waiter.wake();
    } catch (error) {
      for (const waiter of waiters) waiter.fail(error);
    }
  }

  const pacer = createPacer({
    clock,
    run: look,
    restPerRun: REST_PER_LOOK,
    minRestMs: MIN_REST_MS,
    maxRestMs: MAX_REST_MS,
  });
  const lookAgain = (): void => {
    pacer.schedule();
    timer = clock.after(LOOK_INTERVAL_MS, lookAgain);
  };
  const endNews = options.onNews(() => pacer.schedule());
  lookAgain();

  return {
    latest: () => ({ view, version }),
    async next(signal) {
      if (signal.aborted) return;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const waiter: Waiter = { wake: resolve, fail: reject };
      waiters.add(waiter);
      signal.addEventListener('abort', waiter.wake);
      try {
        await promise;
      } finally {
        waiters.delete(waiter);
        signal.removeEventListener('abort', waiter.wake);
      }
    },
    close() {
      endNews();
      timer?.cancel();
      pacer.close();
    },
  };
}

/** What counts as a change: not the counts of calls, which change all the time. */
function shapeOf({ endpoints, removals, sources }: DiscoveryViewData): string {
  const uncounted = endpoints.map((view): EndpointViewData => ({ ...view, openCalls: 0, calls: 0, failures: 0 }));
  return JSON.stringify([uncounted, removals, sources]);
}
