import { createBasculeTransport } from '@bascule/web';
import { createClient } from '@connectrpc/connect';
import { PlacesService } from '../../../backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../../backend/gen/demo/ranking/v1/ranking_pb.ts';
import { recordCall } from '../state/calls.ts';

const transport = createBasculeTransport({ onCall: recordCall, defaultTimeoutMs: 10_000 });

export const placesClient = createClient(PlacesService, transport);
export const rankingClient = createClient(RankingService, transport);
