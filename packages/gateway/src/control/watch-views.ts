import { Code, ConnectError } from '@connectrpc/connect';
import type { DiscoveryViewData } from '../admin/views.ts';
import { createLookout, type Lookout, type LookoutOptions } from './lookout.ts';

/** Views of discovery as streams. */
export interface ViewWatch {
  /**
   * The view at once, and again when it has changed. Who is slow misses what was in between. Throws
   * `resource_exhausted` when too many watch.
   */
  watch(signal: AbortSignal): AsyncIterable<DiscoveryViewData>;
  /** Ends all. */
  close(): void;
}

/** Each is sent everything there is, four times a second. */
const MAX_WATCHES = 32;

export function createViewWatch(options: LookoutOptions): ViewWatch {
  const closing = new AbortController();
  /** One for all who watch: to look at ten thousand endpoints takes a while. */
  let lookout: Lookout | undefined;
  let watches = 0;

  async function* watch(signal: AbortSignal): AsyncGenerator<DiscoveryViewData> {
    if (watches >= MAX_WATCHES) {
      throw new ConnectError(`${MAX_WATCHES} watch already: end one of them`, Code.ResourceExhausted);
    }
    watches++;
    const ended = AbortSignal.any([signal, closing.signal]);
    const shared = (lookout ??= createLookout(options));
    let seen = 0;
    try {
      while (!ended.aborted) {
        const { view, version } = shared.latest();
        if (view === undefined || version === seen) await shared.next(ended);
        else {
          seen = version;
          yield view;
        }
      }
    } finally {
      watches--;
      if (watches === 0) {
        shared.close();
        lookout = undefined;
      }
    }
  }

  return { watch, close: () => closing.abort() };
}
