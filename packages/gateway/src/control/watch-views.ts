import type { Clock } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import type { DiscoveryViewData, EndpointViewData } from '../admin/views.ts';

/** Views of discovery as streams. */
export interface ViewWatch {
  /** The view at once, and again when it has changed. Throws `resource_exhausted` when too many watch. */
  watch(signal: AbortSignal): AsyncIterable<DiscoveryViewData>;
  /** Ends all. */
  close(): void;
}

export interface ViewWatchOptions {
  readonly clock: Clock;
  view(): Promise<DiscoveryViewData>;
  /** Calls `listener` after a change, until the returned function is called. */
  onNews(listener: () => void): () => void;
}

/** Between two views of a stream. */
const MIN_INTERVAL_MS = 250;
/** Connections come and go in the data threads, which do not tell by themselves. */
const LOOK_INTERVAL_MS = 1_000;
/** Each costs a look at everything there is, four times a second. */
const MAX_WATCHES = 32;

export function createViewWatch(options: ViewWatchOptions): ViewWatch {
  const closing = new AbortController();
  let watches = 0;

  async function* watch(signal: AbortSignal): AsyncGenerator<DiscoveryViewData> {
    if (watches >= MAX_WATCHES) {
      throw new ConnectError(`${MAX_WATCHES} watch already: end one of them`, Code.ResourceExhausted);
    }
    watches++;
    const ended = AbortSignal.any([signal, closing.signal]);
    const pause = createPause(options);
    const wake = (): void => pause.wake();
    ended.addEventListener('abort', wake);
    let shown: string | undefined;
    try {
      while (!ended.aborted) {
        const present = await options.view();
        const shape = shapeOf(present);
        if (shape !== shown && !ended.aborted) yield present;
        shown = shape;
        await pause.wait(ended);
      }
    } finally {
      watches--;
      ended.removeEventListener('abort', wake);
      pause.end();
    }
  }

  return { watch, close: () => closing.abort() };
}

/** Waits for news, but not for less than the one interval nor for more than the other. */
function createPause({ clock, ...options }: ViewWatchOptions) {
  let hasNews = false;
  let over: () => void = () => {};
  let wake: () => void = () => {};
  const end = options.onNews(() => {
    hasNews = true;
    wake();
  });

  async function sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.after(ms, resolve);
    over = resolve;
    await promise;
    timer.cancel();
  }

  return {
    async wait(ended: AbortSignal) {
      if (!ended.aborted) await sleep(MIN_INTERVAL_MS);
      wake = () => over();
      if (!hasNews && !ended.aborted) await sleep(LOOK_INTERVAL_MS - MIN_INTERVAL_MS);
      wake = () => {};
      hasNews = false;
    },
    /** Ends a wait early, whatever its interval. */
    wake: () => over(),
    end,
  };
}

/** What counts as a change: not the counts of calls, which change all the time. */
function shapeOf({ endpoints, removals, sources }: DiscoveryViewData): string {
  const uncounted = endpoints.map((view): EndpointViewData => ({ ...view, openCalls: 0, calls: 0, failures: 0 }));
  return JSON.stringify([uncounted, removals, sources]);
}
