import { setTimeout as delay } from 'node:timers/promises';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { RankingService } from '../../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';

export interface RankingProbe {
  /** What `rank` was called with. */
  readonly headers: Headers[];
  /** `watch` calls that have ended, by themselves or because the caller went. */
  watchEnded: number;
}

/** All kinds of calls: `watch` ends after three messages for call id "three", otherwise never. */
export function createRankingRoutes(router: ConnectRouter, probe: RankingProbe): void {
  router.service(RankingService, {
    rank({ candidates, callId }, context) {
      probe.headers.push(context.requestHeader);
      if (callId === 'fail') throw new ConnectError('no such place\nAsk for another.', Code.NotFound);
      return { callId, version: '1.0.0', ranked: candidates.map(({ id, name }) => ({ id, name, score: 0.5 })) };
    },
    async *watch({ callId }, context) {
      try {
        const last = callId === 'three' ? 3 : Number.MAX_SAFE_INTEGER;
        for (let sequence = 1; sequence <= last; sequence++) {
          yield { callId, sequence: BigInt(sequence), version: '1.0.0' };
          await delay(5, undefined, { signal: context.signal });
        }
      } finally {
        probe.watchEnded++;
      }
    },
    async *tally(requests) {
      let sequence = 0n;
      for await (const { candidate, callId } of requests) {
        sequence++;
        yield { callId, sequence, ranked: { id: candidate?.id ?? 0 } };
      }
    },
    vote: () => ({ votes: 18_446_744_073_709_551_615n }),
  });
}
