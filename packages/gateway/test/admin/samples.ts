import type { DiscoveryViewData, EndpointViewData, StatusData, VersionData } from '../../src/admin/views.ts';

export const PLACES: EndpointViewData = {
  cluster: 'demo.places.v1.PlacesService',
  instanceId: 'places-1',
  incarnation: 1_700_000_000_000,
  address: '127.0.0.1:5001',
  services: ['demo.places.v1.PlacesService'],
  moduleVersion: '',
  state: 'ready',
  source: 'registry',
  weight: 1,
  openCalls: 2,
  calls: 10,
  failures: 1,
  zone: '',
  cause: '',
  sinceMs: 1_700_000_000_000.25,
  latencyMs: 12.5,
};

/** What the routes show when these endpoints are all there is. */
export function viewOf(...endpoints: EndpointViewData[]): DiscoveryViewData {
  return { endpoints, removals: [], sources: [] };
}

/** Nobody watches in these tests. */
export async function* watchNothing(): AsyncGenerator<DiscoveryViewData> {}

export const STATUS: StatusData = {
  version: '0.1.0',
  apiAddress: '127.0.0.1:8080',
  apiTls: false,
  configRevision: 3,
  snapshotRevision: 8,
  dataThreads: 1,
  discoveryStaleSeconds: 0,
  configError: '',
};

export const RANKING_V1: VersionData = {
  module: 'ranking',
  version: '1.0.0',
  digest: 'sha256:01',
  state: 'current',
  reason: '',
  services: ['demo.ranking.v1.RankingService'],
  schemaDigest: 'sha256:02',
  deployedAtMs: 1_700_000_000_000,
  openCalls: 3,
  restarts: 0,
  source: '/modules/ranking',
};
