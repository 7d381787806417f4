import type { Endpoint, RemovalCause as CauseName } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import {
  EndpointSchema,
  Protocol,
  RemovalCause,
  type Endpoint as EndpointMessage,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';

/** An endpoint as the registry speaks of it. Endpoints behind a message port never leave their process. */
export function toEndpointMessage(endpoint: Endpoint): EndpointMessage {
  return create(EndpointSchema, {
    ...endpoint,
    incarnation: BigInt(endpoint.incarnation),
    protocol: Protocol.GRPC,
    services: [...endpoint.services],
    labels: { ...endpoint.labels },
  });
}

/** The reverse of {@link toEndpointMessage}. */
export function fromEndpointMessage(message: EndpointMessage): Endpoint {
  return {
    instanceId: message.instanceId,
    incarnation: Number(message.incarnation),
    host: message.host,
    port: message.port,
    protocol: 'grpc',
    weight: message.weight ?? 1,
    priority: message.priority,
    zone: message.zone,
    services: [...message.services],
    schemaDigest: message.schemaDigest,
    moduleVersion: message.moduleVersion,
    labels: { ...message.labels },
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
