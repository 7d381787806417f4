import { digestOf, schemaOf } from '@bascule/schema';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { Endpoint } from '@bascule/core';

export const SERVICE = 'demo.places.v1.PlacesService';
export const SCHEMA = schemaOf([RegistryService]);
export const DIGEST = digestOf(SCHEMA);

/** A plain endpoint; the number tells it from others. */
export function createEndpoint(number: number, overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    instanceId: `places-${number}`,
    incarnation: 7,
    host: '127.0.0.1',
    port: 30_000 + number,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: '',
    services: [SERVICE],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
    ...overrides,
  };
}

/** One of which no field has its default. */
export function createFullEndpoint(number: number): Endpoint {
  return createEndpoint(number, {
    incarnation: 1_790_000_000_123,
    protocol: 'connect',
    codecs: ['proto', 'json'],
    weight: 30,
    priority: 2,
    zone: 'eu-west-1a',
    services: [SERVICE, 'demo.echo.v1.EchoService'],
    schemaDigest: DIGEST,
    moduleVersion: '2.4.1-rc.1',
    labels: { tier: 'gold', 'example.com/team': 'Grüße, "Welt" = 1' },
  });
}
