import type { Endpoint } from '@bascule/core';
import { fromMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { decodeText, readForeign } from '../json-record.ts';

/** A node below a service of Curator. */
export interface CuratorRecord {
  /** Name of the node. */
  readonly name: string;
  readonly data: Uint8Array;
  /** When the node was made. */
  readonly ctimeMs: bigint;
}

/**
 * An endpoint of what Curator's service discovery writes: `{"name","id","address","port","payload",...}`. Keys of ours in
 * `payload.metadata`, where Spring Cloud puts them, count. Throws, with words, for anything else.
 */
export function parseCuratorRecord(record: CuratorRecord, defaults: EndpointDefaults): Endpoint {
  return readForeign(() => toEndpoint(record, defaults));
}

function toEndpoint(record: CuratorRecord, defaults: EndpointDefaults): Endpoint {
  const instance = asObject(JSON.parse(decodeText(record.data)));
  const { name, address, port, sslPort, enabled, registrationTimeUTC } = instance;
  if (typeof address !== 'string') throw new Error('its "address" is no text');
  const open = typeof port === 'number' ? port : sslPort;
  if (typeof open !== 'number') throw new Error('it has neither a "port" nor an "sslPort"');
  const observed = {
    instanceId: record.name,
    incarnation: Number.isSafeInteger(registrationTimeUTC) ? (registrationTimeUTC as number) : Number(record.ctimeMs),
    host: address,
    port: open,
    // What was said for the source goes before the name, which is seldom that of a gRPC service.
    ...(typeof name === 'string' && defaults.services.length === 0 && { services: [name] }),
    ...(enabled === false && { health: 'draining' as const }),
  };
  return fromMetadata(textsOf(asObject(instance['payload'])['metadata']), observed, defaults);
}

function asObject(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textsOf(value: unknown): Record<string, string> {
  const entries = Object.entries(asObject(value));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}
