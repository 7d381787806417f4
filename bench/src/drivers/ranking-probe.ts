import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  CandidateSchema,
  RankRequestSchema,
  RankResponseSchema,
  VoteRequestSchema,
  VoteResponseSchema,
} from '@bascule/app-backend/gen/demo/ranking/v1/ranking_pb.ts';
import type { Probe } from './probe.ts';

const RANKING = '/demo.ranking.v1.RankingService';

/** Three places of which each version of the module knows another order. */
export const CANDIDATES = [
  { id: 1, name: 'Vaduz', population: 5_197, distanceKm: 0.4, feature: 'PPLC' },
  { id: 2, name: 'Zurich', population: 341_730, distanceKm: 82, feature: 'PPLA' },
  { id: 3, name: 'Milan', population: 1_236_837, distanceKm: 196, feature: 'PPLA' },
].map((candidate) => create(CandidateSchema, candidate));

/** Rank: without side effects. */
export const rankProbe: Probe = {
  path: `${RANKING}/Rank`,
  encode: (callId) => toBinary(RankRequestSchema, create(RankRequestSchema, { candidates: CANDIDATES, callId })),
  check(callId, message) {
    const { callId: answered, ranked, version } = fromBinary(RankResponseSchema, message);
    if (answered !== callId) return `the answer of call ${answered}`;
    if (version === '') return 'no version';
    return ranked.length === CANDIDATES.length ? '' : `${ranked.length} places`;
  },
  versionOf: (message) => fromBinary(RankResponseSchema, message).version,
};

/** Vote: counts each time, so nobody may repeat it. */
export const voteProbe: Probe = {
  path: `${RANKING}/Vote`,
  encode: (callId) => toBinary(VoteRequestSchema, create(VoteRequestSchema, { placeId: 1, callId })),
  check(callId, message) {
    const { callId: answered, votes } = fromBinary(VoteResponseSchema, message);
    if (answered !== callId) return `the answer of call ${answered}`;
    return votes > 0n ? '' : 'no vote counted';
  },
};
