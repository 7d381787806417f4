import type { Clock, Timer } from '@bascule/core';
import type { WatchResponse } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { MAX_BYTES, MAX_EVENTS, type Board, type Delta } from './board.ts';
import { toWatchResponse, type EncodedEvent } from './encoded-events.ts';
import { selectEvents, type Filter } from './filter.ts';

/** An idle watch sends an empty message this often, so that its caller tells a quiet registry from a dead one. */
export const HEARTBEAT_MS = 5_000;

export interface WatchOptions {
  readonly epoch: bigint;
  readonly board: Board;
  readonly clock: Clock;
  readonly filter: Filter;
  /** The revision seen last, of this epoch; undefined asks for a snapshot. */
  readonly seen: number | undefined;
  /** The caller reads JSON. */
  readonly readable: boolean;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** Deltas are the same for all who watch everything. */
const responses = new WeakMap<Delta, WatchResponse>();

/** A snapshot in parts or what was missed, then changes as they come. Pulled: holds nothing for who does not read. */
export async function* watch(options: WatchOptions): AsyncGenerator<WatchResponse> {
  const { board, signal, filter, epoch, readable } = options;
  const alarm = createAlarm(options);
  /** Undefined until there is something to go on from. */
  let seen = options.seen !== undefined && board.reaches(options.seen) ? options.seen : undefined;
  /** The first word comes at once, also when there is nothing to say. */
  let isDue = seen !== undefined;

  const respond = (revision: number, events: readonly EncodedEvent[]): WatchResponse => {
    return toWatchResponse({ epoch, revision, snapshot: false, more: false }, events, readable);
  };

  function respondTo(delta: Delta): WatchResponse {
    if (filter !== undefined || readable) return respond(delta.revision, selectEvents(delta.events, filter));
    const known = responses.get(delta);
    if (known !== undefined) return known;
    const response = respond(delta.revision, selectEvents(delta.events, undefined));
    responses.set(delta, response);
    return response;
  }

  try {
    while (!signal.aborted) {
      if (seen === undefined || !board.reaches(seen)) {
        seen = yield* tellSnapshot(options);
        alarm.reset();
        continue;
      }
      const delta = board.deltaSince(seen);
      const response = delta && respondTo(delta);
      const isNews = response !== undefined && hasEvents(response);
      if (isNews || isDue || alarm.isOver()) {
        seen = delta?.revision ?? board.revision();
        yield response ?? respond(seen, []);
        isDue = false;
        alarm.reset();
      } else if (delta === undefined) {
        await alarm.wait();
      } else {
        seen = delta.revision;
      }
    }
  } finally {
    alarm.close();
  }
}

/** Returns the revision of the snapshot, or undefined when the watch ended or history went on without it. */
async function* tellSnapshot(options: WatchOptions): AsyncGenerator<WatchResponse, number | undefined> {
  const { board, epoch, filter, readable, signal } = options;
  const snapshot = board.snapshot();
  for (let at = 0; !signal.aborted;) {
    const { records, revision } = snapshot;
    if (records === undefined) return undefined;
    const events: EncodedEvent[] = [];
    let bytes = 0;
    while (at < records.length && events.length < MAX_EVENTS) {
      const { endpoint, put } = records[at] as (typeof records)[number];
      const isWanted = filter === undefined || filter(endpoint.services);
      if (isWanted && events.length > 0 && bytes + put.length > MAX_BYTES) break;
      at += 1;
      if (!isWanted) continue;
      events.push(put);
      bytes += put.length;
    }
    const more = at < records.length;
    yield toWatchResponse({ epoch, revision, snapshot: true, more }, events, readable);
    if (!more) return revision;
  }
  return undefined;
}

function hasEvents({ events, $unknown }: WatchResponse): boolean {
  return events.length > 0 || ($unknown?.length ?? 0) > 0;
}

/** Wakes a watch for news, for its heartbeat, and for its end. */
function createAlarm({ board, clock, signal }: WatchOptions) {
  let waiting = Promise.withResolvers<void>();
  let isWoken = false;
  let dueMs = clock.nowMs() + HEARTBEAT_MS;
  let timer: Timer;

  function wake(): void {
    isWoken = true;
    waiting.resolve();
  }

  /** Set anew only when it comes: most watches have news in between, and these only move the time. */
  function arm(delayMs: number): void {
    timer = clock.after(delayMs, () => {
      const leftMs = dueMs - clock.nowMs();
      if (leftMs <= 0) wake();
      arm(leftMs > 0 ? leftMs : HEARTBEAT_MS);
    });
  }

  arm(HEARTBEAT_MS);
  const ignoreNews = board.onNews(wake);

  function close(): void {
    timer.cancel();
    ignoreNews();
    signal.removeEventListener('abort', close);
    wake();
  }

  // Not only when the watch is left: who stops pulling may never leave it.
  signal.addEventListener('abort', close);
  if (signal.aborted) close();
  return {
    close,
    isOver: () => clock.nowMs() >= dueMs,
    reset: () => void (dueMs = clock.nowMs() + HEARTBEAT_MS),
    async wait(): Promise<void> {
      if (!isWoken && !signal.aborted) await waiting.promise;
      isWoken = false;
      waiting = Promise.withResolvers();
    },
  };
}
