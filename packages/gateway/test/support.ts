import { resolveBalancing } from '@bascule/balancer';
import { endpointOf, SEARCH } from '@bascule/testing';
import type { ClusterSnapshot } from '../src/snapshot.ts';

export { endpointOf, SEARCH };

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
