import type { Endpoint } from '@bascule/core';
import { toMetadata } from '../../../src/metadata.ts';
import type { XdsEndpoint, XdsLocality } from './management-server.ts';

/** What a control plane that knows of Bascule says of an endpoint: by EDS what EDS has, the rest as metadata. */
export function toLocality(endpoint: Endpoint): XdsLocality {
  const { zone, priority } = endpoint;
  return { ...(zone !== '' && { region: 'eu', zone }), priority, endpoints: [toXdsEndpoint(endpoint)] };
}

const HEALTHS = { healthy: 'HEALTHY', draining: 'DRAINING', failing: 'UNHEALTHY' } as const;

function toXdsEndpoint(endpoint: Endpoint): XdsEndpoint {
  const { 'bascule-zone': _, 'bascule-health': __, 'bascule-weight': ___, ...bascule } = toMetadata(endpoint);
  const { 'bascule-priority': ____, ...metadata } = bascule;
  return {
    address: endpoint.host,
    port: endpoint.port,
    weight: endpoint.weight,
    health: HEALTHS[endpoint.health ?? 'healthy'],
    metadata: { bascule: { ...metadata, 'bascule-instance': endpoint.instanceId } },
  };
}
