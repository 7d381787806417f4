import { resolveBalancing } from '@bascule/balancer';
import type { Endpoint, MethodFacts } from '@bascule/core';
import type { ClusterSnapshot } from '../src/snapshot.ts';

/** An endpoint with what a test wants to differ. */
export function endpointOf(overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    instanceId: 'places-1',
    incarnation: 1,
    host: '127.0.0.1',
    port: 9,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: '',
    services: ['demo.places.v1.PlacesService'],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
    ...overrides,
  };
}

export const SEARCH: MethodFacts = {
  service: 'demo.places.v1.PlacesService',
  method: 'Search',
  kind: 'unary',
  idempotency: 'no_side_effects',
};

export function clusterOf(overrides: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  return {
    service: SEARCH.service,
    balancing: resolveBalancing({ policy: { name: 'round-robin', weighted: true } }),
    limits: { maxCalls: 1_024, maxPending: 1_024 },
    policy: {},
    methodPolicies: {},
    routes: [],
    endpoints: [],
    methods: [SEARCH],
    readsLoad: false,
    ...overrides,
  };
}
