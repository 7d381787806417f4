import type { Endpoint, MethodFacts } from '@bascule/core';

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

/** A method that may be repeated. */
export const SEARCH: MethodFacts = {
  service: 'demo.places.v1.PlacesService',
  method: 'Search',
  kind: 'unary',
  idempotency: 'no_side_effects',
};
