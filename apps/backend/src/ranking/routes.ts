import { setTimeout } from 'node:timers/promises';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { RankingService, type Candidate, type WatchRequest } from '../../gen/demo/ranking/v1/ranking_pb.ts';

/** What a version of the module decides: how high a place stands, and why. */
export type Judge = (candidate: Candidate) => { score: number; reason: string };

/** Registers RankingService with the order of `judge`. All versions of the module share what is not order. */
export function createRankingRoutes(judge: Judge): (router: ConnectRouter) => void {
  // The host of the worker sets it, so that a version cannot say to be another one.
  const version = process.env['BASCULE_MODULE_VERSION'] ?? 'unreleased';
  const votes = new Map<number, bigint>();
  const rank = (candidates: readonly Candidate[]) =>
    candidates.map((candidate) => toRanked(judge, candidate)).sort((a, b) => b.score - a.score || a.id - b.id);

  return (router) => {
    router.service(RankingService, {
      rank: ({ candidates, callId }) => ({ ranked: rank(candidates), callId, version }),
      async *watch(request, { signal }) {
        const intervalMs = toInterval(request);
        for (let sequence = 1n; ; sequence++) {
          yield { ranked: rank(request.candidates), callId: request.callId, sequence, version };
          await setTimeout(intervalMs, undefined, { signal });
        }
      },
      async *tally(requests) {
        const scores = new Map<number, number>();
        let sequence = 0n;
        for await (const { candidate, callId } of requests) {
          if (candidate === undefined) throw new ConnectError('candidate is missing', Code.InvalidArgument);
          const ranked = toRanked(judge, candidate);
          const score = (scores.get(candidate.id) ?? 0) + ranked.score;
          scores.set(candidate.id, score);
          sequence += 1n;
          yield { ranked: { ...ranked, score }, callId, sequence, version };
        }
      },
      vote({ placeId, callId }) {
        const count = (votes.get(placeId) ?? 0n) + 1n;
        votes.set(placeId, count);
        return { votes: count, callId, version };
      },
    });
  };
}

function toRanked(judge: Judge, candidate: Candidate) {
  return { id: candidate.id, name: candidate.name, ...judge(candidate) };
}

function toInterval({ intervalMs }: WatchRequest): number {
  if (intervalMs === 0) return 1000;
  if (intervalMs < 10)
    throw new ConnectError(`interval_ms is ${intervalMs}, but must be at least 10`, Code.InvalidArgument);
  return intervalMs;
}
