import type { Endpoint, EndpointHealth } from '@bascule/core';
import type { JsonObject } from '@bufbuild/protobuf';
import {
  HealthStatus,
  type ClusterLoadAssignment,
  type LbEndpoint,
  type LocalityLbEndpoints,
  type Metadata,
} from '@bascule/schema/gen/peers/envoy/eds_pb.ts';
import { fromMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { gatherReadings, readRecord } from '../records.ts';

/** Where control planes put what balancing goes by, and where ours is put. What is ours wins. */
const FILTERS = ['envoy.lb', 'bascule'];
/** Beside the keys of `metadata.ts`: EDS has no ids of its own. */
const INSTANCE = 'bascule-instance';
const MAX_WEIGHT = 65_535;

export interface ReadAssignment {
  readonly endpoints: Endpoint[];
  /** Instance ids. */
  readonly unreadable: string[];
}

/** The endpoints of a cluster. `warn` hears of each that cannot be used, and the others are not stopped by it. */
export function readAssignment(
  { clusterName, endpoints: localities }: ClusterLoadAssignment,
  defaults: EndpointDefaults,
  warn: (message: string) => void,
): ReadAssignment {
  const scale = scaleOf(localities);
  const all = localities.flatMap((locality) => locality.lbEndpoints.map((endpoint) => ({ locality, endpoint })));
  return gatherReadings(
    all.map(({ locality, endpoint }) => {
      const metadata = textsOf(endpoint.metadata);
      const id = metadata[INSTANCE] ?? addressOf(endpoint);
      return readRecord(
        [id],
        () => toEndpoint({ id, metadata, locality, endpoint, scale, defaults }),
        (message) => warn(`cluster ${clusterName}: ${message}`),
      );
    }),
  );
}

interface Parts {
  readonly id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly locality: LocalityLbEndpoints;
  readonly endpoint: LbEndpoint;
  readonly scale: number;
  readonly defaults: EndpointDefaults;
}

function toEndpoint({ id, metadata, locality, endpoint: { endpoint, ...told }, scale, defaults }: Parts): Endpoint {
  const socket = endpoint?.address?.socketAddress;
  if (socket === undefined) throw new Error('it has no address and port');
  const { region = '', zone = '' } = locality.locality ?? {};
  const health = HEALTHS[told.healthStatus];
  const observed = {
    instanceId: id,
    host: socket.address,
    port: socket.portValue,
    weight: Math.max(1, Math.round((told.loadBalancingWeight ?? 1) * scale)),
    priority: locality.priority,
    zone: zone || region,
    ...(health !== undefined && { health }),
  };
  const read = fromMetadata(metadata, observed, defaults);
  if (read.services.length > 0) return read;
  throw new Error('what does it answer? Name services for this source, or put bascule-services into its metadata');
}

/** What is unknown or degraded is used. Source: envoy.config.core.v3.HealthStatus. */
const HEALTHS: Readonly<Record<HealthStatus, EndpointHealth | undefined>> = {
  [HealthStatus.UNKNOWN]: undefined,
  [HealthStatus.HEALTHY]: undefined,
  [HealthStatus.DEGRADED]: undefined,
  [HealthStatus.UNHEALTHY]: 'failing',
  [HealthStatus.TIMEOUT]: 'failing',
  [HealthStatus.DRAINING]: 'draining',
};

/** Weights of xDS may be larger than ours; their shares stay. */
function scaleOf(localities: readonly LocalityLbEndpoints[]): number {
  let max = MAX_WEIGHT;
  for (const { lbEndpoints } of localities) {
    for (const { loadBalancingWeight } of lbEndpoints) max = Math.max(max, loadBalancingWeight ?? 1);
  }
  return MAX_WEIGHT / max;
}

function addressOf({ endpoint }: LbEndpoint): string {
  const { address = '', portValue = 0 } = endpoint?.address?.socketAddress ?? {};
  // An id begins with a letter or a digit, and IPv6 may begin with a colon.
  return `${address.startsWith(':') ? `0${address}` : address}:${portValue}`;
}

function textsOf(metadata: Metadata | undefined): Record<string, string> {
  const texts: Record<string, string> = Object.create(null);
  for (const filter of FILTERS) {
    for (const [key, value] of Object.entries(fieldsOf(metadata, filter))) {
      if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') texts[key] = `${value}`;
    }
  }
  return texts;
}

function fieldsOf(metadata: Metadata | undefined, filter: string): JsonObject {
  const all = metadata?.filterMetadata ?? {};
  return Object.hasOwn(all, filter) ? (all[filter] as JsonObject) : {};
}
