import { signal } from '@preact/signals';
import type { Ranked } from '../../../backend/gen/demo/ranking/v1/ranking_pb.ts';
import { placesClient, rankingClient } from '../rpc/clients.ts';
import { toMessage } from '../rpc/errors.ts';
import { readUntilDone } from '../rpc/reopen.ts';
import { noteBuild, toBuild } from './builds.ts';
import { focus } from './focus.ts';
import { toCandidates } from './ranking.ts';

const CANDIDATES = 12;

export interface WatchState {
  readonly status: 'opening' | 'open' | 'broken';
  /** What broke the stream; empty while it is open. */
  readonly message: string;
  readonly ranked: readonly Ranked[];
  /** Of the newest message; the stream counts from 1 without gaps. */
  readonly sequence: number;
  /** Messages that were missing in between. More than 0 would be a fault. */
  readonly gaps: number;
  /** Build of the module that this stream began with, and stays with. */
  readonly build: string;
}

const OPENING: WatchState = { status: 'opening', message: '', ranked: [], sequence: 0, gaps: 0, build: '' };

/** The page's one live feed. */
export const watch = signal<WatchState>(OPENING);

let controller = new AbortController();
let reading: Promise<void> = Promise.resolve();

/** Ends the feed, if there is one, and opens it anew: on the version that is current now. */
export function openWatch(): void {
  controller.abort();
  const { signal } = (controller = new AbortController());
  reading = reading.then(() => readWatch(signal));
}

function readWatch(signal: AbortSignal): Promise<void> {
  return readUntilDone({
    signal,
    async read(onAnswer) {
      const { places } = await placesClient.search({ limit: CANDIDATES }, { signal });
      const request = { candidates: toCandidates(places, focus.value), intervalMs: 1000, callId: 'watch' };
      watch.value = { ...watch.value, status: 'opening', sequence: 0 };
      let endpoint: string | undefined;
      const onHeader = (header: Headers): void => {
        endpoint = header.get('bascule-endpoint') ?? undefined;
      };
      for await (const message of rankingClient.watch(request, { signal, onHeader })) {
        onAnswer();
        const build = toBuild(message.version, endpoint);
        noteBuild(build);
        const sequence = Number(message.sequence);
        const { sequence: last, gaps } = watch.value;
        watch.value = {
          status: 'open',
          message: '',
          ranked: message.ranked,
          sequence,
          gaps: gaps + (sequence - last - 1),
          build,
        };
      }
      throw new Error('the stream ended by itself');
    },
    onBroken(reason) {
      watch.value = { ...watch.value, status: 'broken', message: toMessage(reason) };
    },
  });
}
