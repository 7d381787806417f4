import type { Clock } from '@bascule/core';
import {
  WatchRequestSchema,
  type Event,
  type WatchRequest,
  type WatchResponse,
} from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import { create } from '@bufbuild/protobuf';
import { waitFor } from '../../waiting.ts';
import type { EtcdClient } from './client.ts';
import { endOfRange } from './location.ts';

/** How often etcd is asked for a word. Its own, by `progress_notify`, comes every ten minutes only. */
const ASK_MS = 5_000;
/** Two questions without an answer: the connection hangs, whatever TCP says. */
const SILENCE_MS = 12_000;

/** From where on, and of which history. */
export interface WatchStart {
  readonly prefix: string;
  readonly clusterId: bigint;
  /** The first one of interest. */
  readonly revision: bigint;
}

export interface WatchListener {
  /** The watch stands. */
  onCreated(): void;
  /** Events of one message; those of one revision may go on in the next. */
  onEvents(events: readonly Event[], isFragment: boolean): void;
}

/** Follows a prefix. Returns when the history is compacted beyond where it stands; throws for all other ends. */
export async function watchRecords(
  { client, clock, signal }: { client: EtcdClient; clock: Clock; signal: AbortSignal },
  start: WatchStart,
  listener: WatchListener,
): Promise<'compacted'> {
  const session = new AbortController();
  const end = (): void => session.abort(signal.reason);
  signal.addEventListener('abort', end);
  const hear = () =>
    clock.after(SILENCE_MS, () => session.abort(new Error(`no word from etcd for ${SILENCE_MS} ms: it hangs`)));
  let silence = hear();
  try {
    return await client.stream<'compacted'>(session.signal, async ({ watch }, options) => {
      for await (const response of watch.watch(requestsOf(start, clock, session.signal), options)) {
        silence.cancel();
        silence = hear();
        signal.throwIfAborted();
        if (response.compactRevision > 0n) return 'compacted';
        checkHistory(start, response);
        if (response.canceled) throw new Error(response.cancelReason || 'the watch was cancelled without a reason');
        if (response.created) listener.onCreated();
        if (response.events.length > 0) listener.onEvents(response.events, response.fragment);
      }
      throw new Error('the watch has ended');
    });
  } finally {
    silence.cancel();
    signal.removeEventListener('abort', end);
    session.abort();
  }
}

/** Opens the watch, and then asks for a sign of life again and again. */
async function* requestsOf(start: WatchStart, clock: Clock, signal: AbortSignal): AsyncIterable<WatchRequest> {
  const { prefix, revision } = start;
  const key = Buffer.from(prefix);
  const value = { key, rangeEnd: endOfRange(prefix), startRevision: revision, progressNotify: true, fragment: true };
  yield create(WatchRequestSchema, { requestUnion: { case: 'createRequest', value } });
  while (!signal.aborted) {
    await waitFor(clock, ASK_MS, signal);
    if (!signal.aborted) yield create(WatchRequestSchema, { requestUnion: { case: 'progressRequest', value: {} } });
  }
}

/** Behind one address another cluster may answer, or the same one with its data wiped. */
function checkHistory({ clusterId, revision }: WatchStart, { header }: WatchResponse): void {
  if (header === undefined) return;
  if (header.clusterId !== clusterId) throw new Error('another cluster answers at its address');
  if (header.revision < revision - 1n) throw new Error('it has lost a part of its history');
}
