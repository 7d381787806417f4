import type { Client } from '@connectrpc/connect';
import type { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { pause } from './eventually.ts';

/** An open stream that keeps account of what came. */
export interface OpenStream {
  readonly sequences: bigint[];
  readonly versions: Set<string>;
  /** Resolves with the error that ended it, or undefined after `leave`. */
  readonly ended: Promise<unknown>;
  leave(): void;
}

type Ranking = Client<typeof RankingService>;

/** Opens Watch. */
export function openWatch(client: Ranking, callId: string): OpenStream {
  const abort = new AbortController();
  return follow(abort, client.watch({ callId, intervalMs: 10 }, { signal: abort.signal }));
}

/** Opens Tally, sending a candidate every few milliseconds. */
export function openTally(client: Ranking, callId: string): OpenStream {
  const abort = new AbortController();
  async function* candidates() {
    for (let id = 1; !abort.signal.aborted; id++) {
      yield { callId, candidate: { id, population: 1000 } };
      await pause(10);
    }
  }
  return follow(abort, client.tally(candidates(), { signal: abort.signal }));
}

function follow(
  abort: AbortController,
  messages: AsyncIterable<{ readonly sequence: bigint; readonly version: string }>,
): OpenStream {
  const sequences: bigint[] = [];
  const versions = new Set<string>();
  const read = async (): Promise<unknown> => {
    try {
      for await (const { sequence, version } of messages) {
        sequences.push(sequence);
        versions.add(version);
      }
      return new Error('the stream ended by itself');
    } catch (error) {
      return abort.signal.aborted ? undefined : error;
    }
  };
  return { sequences, versions, ended: read(), leave: () => abort.abort() };
}
