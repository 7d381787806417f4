import type { Endpoint, EndpointHealth, EndpointProtocol, RemovalCause as CauseName } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import {
  Codec,
  ConditionSchema,
  EndpointSchema,
  Protocol,
  RemovalCause,
  State,
  type Condition,
  type Endpoint as EndpointMessage,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { InstanceReport } from './registrars/registration.ts';

const PROTOCOLS: ReadonlyMap<EndpointProtocol, Protocol> = new Map([
  ['grpc', Protocol.GRPC],
  ['grpc-web', Protocol.GRPC_WEB],
  ['grpc-web+http1', Protocol.GRPC_WEB_HTTP1],
  ['connect', Protocol.CONNECT],
  ['connect+http1', Protocol.CONNECT_HTTP1],
]);

/** What a newer registry may add reads as gRPC, which its endpoints are likeliest to understand as well. */
function protocolOf(protocol: Protocol): EndpointProtocol {
  for (const [name, value] of PROTOCOLS) if (value === protocol) return name;
  return 'grpc';
}

/** An endpoint as the registry speaks of it. Endpoints behind a message port never leave their process. */
export function toEndpointMessage(endpoint: Endpoint & InstanceReport): EndpointMessage {
  return create(EndpointSchema, {
    ...endpoint,
    incarnation: BigInt(endpoint.incarnation),
    protocol: PROTOCOLS.get(endpoint.protocol) ?? Protocol.UNSPECIFIED,
    codecs: endpoint.codecs.includes('json') ? [Codec.JSON] : [],
    services: [...endpoint.services],
    labels: { ...endpoint.labels },
    ...(saysHowItIs(endpoint) && { condition: conditionOf(endpoint) }),
  });
}

function saysHowItIs({ health, utilization, failingChecks }: Endpoint & InstanceReport): boolean {
  return health !== undefined || utilization !== undefined || failingChecks !== undefined;
}

const STATES: Readonly<Record<EndpointHealth, State>> = {
  healthy: State.SERVING,
  draining: State.DRAINING,
  failing: State.FAILING,
};

/** How an instance says that it is. */
export function conditionOf({
  health = 'healthy',
  utilization,
  failingChecks = [],
}: Endpoint & InstanceReport): Condition {
  const known = utilization === undefined ? {} : { utilization };
  return create(ConditionSchema, { state: STATES[health], failingChecks: [...failingChecks], ...known });
}

/** What a newer registry may add counts as healthy: whoever registers means to serve. */
function healthOf(condition: Condition | undefined): { health: EndpointHealth } | undefined {
  if (condition?.state === State.DRAINING) return { health: 'draining' };
  if (condition?.state === State.FAILING) return { health: 'failing' };
  return undefined;
}

/** The reverse of {@link toEndpointMessage}. */
export function fromEndpointMessage(message: EndpointMessage): Endpoint {
  return {
    instanceId: message.instanceId,
    incarnation: Number(message.incarnation),
    host: message.host,
    port: message.port,
    protocol: protocolOf(message.protocol),
    ...(message.tls && { tls: true }),
    codecs: message.codecs.includes(Codec.JSON) ? ['proto', 'json'] : ['proto'],
    weight: message.weight ?? 1,
    priority: message.priority,
    zone: message.zone,
    services: [...message.services],
    schemaDigest: message.schemaDigest,
    moduleVersion: message.moduleVersion,
    labels: { ...message.labels },
    ...healthOf(message.condition),
  };
}

/** A cause by name; what a newer registry may add reads as absence. */
export function causeOf(cause: RemovalCause): CauseName {
  switch (cause) {
    case RemovalCause.DEREGISTERED:
      return 'deregistered';
    case RemovalCause.LEASE_EXPIRED:
      return 'lease-expired';
    case RemovalCause.REPLACED:
      return 'replaced';
    case RemovalCause.UNSPECIFIED:
      return 'not-in-source';
    default:
      return 'not-in-source';
  }
}
