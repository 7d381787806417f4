import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  TallyRequestSchema,
  TallyResponseSchema,
  WatchRequestSchema,
  WatchResponseSchema,
} from '@bascule/app-backend/gen/demo/ranking/v1/ranking_pb.ts';
import { CANDIDATES } from './ranking-probe.ts';

/** What every message of a stream says of itself. */
export interface StreamMessage {
  readonly callId: string;
  readonly sequence: bigint;
  readonly version: string;
}

/** A streaming method of the ranking module as a driver calls it. */
export interface StreamKind {
  readonly path: string;
  /** The next message to send. */
  encode(callId: string, intervalMs: number): Uint8Array;
  decode(message: Buffer): StreamMessage;
  /** Whether the caller sends all the time, or once. */
  readonly sends: 'once' | 'always';
}

const RANKING = '/demo.ranking.v1.RankingService';

/** Watch: one request, answers until the caller goes. */
const watch: StreamKind = {
  path: `${RANKING}/Watch`,
  encode: (callId, intervalMs) =>
    toBinary(WatchRequestSchema, create(WatchRequestSchema, { candidates: CANDIDATES, intervalMs, callId })),
  decode: (message) => fromBinary(WatchResponseSchema, message),
  sends: 'once',
};

/** Tally: an answer for each request, until the caller ends its side. */
const tally: StreamKind = {
  path: `${RANKING}/Tally`,
  encode(callId) {
    const candidate = CANDIDATES[0];
    if (candidate === undefined) throw new Error('no candidate');
    return toBinary(TallyRequestSchema, create(TallyRequestSchema, { candidate, callId }));
  },
  decode: (message) => fromBinary(TallyResponseSchema, message),
  sends: 'always',
};

export const STREAM_KINDS = { watch, tally } as const;
export type StreamKindName = keyof typeof STREAM_KINDS;
