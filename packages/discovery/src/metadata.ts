import type { Codec, Endpoint, EndpointHealth, EndpointProtocol } from '@bascule/core';
import type { EndpointDefaults } from './spec.ts';

/**
 * How an endpoint travels in a system that knows an address, an id and a map of strings: these keys, and labels under
 * their own names. A record without them, written by somebody else, is usable all the same: defaults take their place.
 */
const KEYS = {
  incarnation: 'bascule-incarnation',
  protocol: 'bascule-protocol',
  tls: 'bascule-tls',
  codecs: 'bascule-codecs',
  weight: 'bascule-weight',
  priority: 'bascule-priority',
  zone: 'bascule-zone',
  services: 'bascule-services',
  schema: 'bascule-schema',
  moduleVersion: 'bascule-version',
  health: 'bascule-health',
} as const;

const PREFIX = 'bascule-';
const PROTOCOLS: ReadonlySet<string> = new Set(['grpc', 'grpc-web', 'grpc-web+http1', 'connect', 'connect+http1']);
const HEALTHS: ReadonlySet<string> = new Set(['failing', 'draining']);
const MAX_WEIGHT = 65_535;

/** What an endpoint says of itself beside id and address. Labels that would be taken for ours are left out. */
export function toMetadata(endpoint: Endpoint): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries(endpoint.labels)) {
    if (!key.startsWith(PREFIX)) metadata[key] = value;
  }
  metadata[KEYS.incarnation] = String(endpoint.incarnation);
  metadata[KEYS.protocol] = endpoint.protocol;
  if (endpoint.tls === true) metadata[KEYS.tls] = 'true';
  if (endpoint.codecs.includes('json')) metadata[KEYS.codecs] = 'json';
  metadata[KEYS.weight] = String(endpoint.weight);
  metadata[KEYS.priority] = String(endpoint.priority);
  if (endpoint.zone !== '') metadata[KEYS.zone] = endpoint.zone;
  metadata[KEYS.services] = endpoint.services.join(',');
  if (endpoint.schemaDigest !== '') metadata[KEYS.schema] = endpoint.schemaDigest;
  if (endpoint.moduleVersion !== '') metadata[KEYS.moduleVersion] = endpoint.moduleVersion;
  if (endpoint.health !== undefined && endpoint.health !== 'healthy') metadata[KEYS.health] = endpoint.health;
  return metadata;
}

/** What a system itself knows of a record; the metadata says the rest. */
export interface Observed {
  readonly instanceId: string;
  readonly host: string;
  readonly port: number;
  /** For records without an incarnation of ours: what the system has that grows with each registration, or 1. */
  readonly incarnation?: number;
  readonly weight?: number;
  readonly priority?: number;
  readonly zone?: string;
  readonly tls?: boolean;
  /** Service names that the system itself tells. */
  readonly services?: readonly string[];
  /** The system's own word; ours does not make it better. */
  readonly health?: EndpointHealth;
}

/** An endpoint of a record. Throws an Error that names the key where the metadata is ours and cannot be read. */
export function fromMetadata(
  metadata: Readonly<Record<string, string>>,
  observed: Observed,
  defaults: EndpointDefaults,
): Endpoint {
  const read = (key: string): string | undefined => (Object.hasOwn(metadata, key) ? metadata[key] : undefined);
  const names = read(KEYS.services)
    ?.split(',')
    .filter((name) => name !== '');
  const health = worse(observed.health, HEALTHS.has(read(KEYS.health) ?? '') ? read(KEYS.health) : undefined);
  return {
    instanceId: observed.instanceId,
    incarnation:
      readNumber(read(KEYS.incarnation), KEYS.incarnation, Number.MAX_SAFE_INTEGER) ?? observed.incarnation ?? 1,
    host: observed.host,
    port: observed.port,
    protocol: readProtocol(read(KEYS.protocol)) ?? defaults.protocol,
    ...((read(KEYS.tls) ?? String(observed.tls ?? false)) === 'true' && { tls: true }),
    codecs: readCodecs(read(KEYS.codecs), read(KEYS.protocol) !== undefined) ?? defaults.codecs,
    weight: readNumber(read(KEYS.weight), KEYS.weight, MAX_WEIGHT) ?? observed.weight ?? 1,
    priority: readNumber(read(KEYS.priority), KEYS.priority, MAX_WEIGHT) ?? observed.priority ?? 0,
    zone: read(KEYS.zone) ?? observed.zone ?? '',
    services: names ?? observed.services ?? defaults.services,
    schemaDigest: read(KEYS.schema) ?? defaults.schemaDigest,
    moduleVersion: read(KEYS.moduleVersion) ?? '',
    labels: Object.fromEntries(Object.entries(metadata).filter(([key]) => !key.startsWith(PREFIX))),
    ...(health !== undefined && { health }),
  };
}

function readNumber(text: string | undefined, key: string, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
  if (!(value <= max)) throw new Error(`${key} must be a whole number from 0 to ${max} (got ${JSON.stringify(text)})`);
  return value;
}

function readProtocol(text: string | undefined): Exclude<EndpointProtocol, 'port'> | undefined {
  if (text === undefined) return undefined;
  if (PROTOCOLS.has(text)) return text as Exclude<EndpointProtocol, 'port'>;
  throw new Error(`${KEYS.protocol} must be one of ${[...PROTOCOLS].join(', ')} (got ${JSON.stringify(text)})`);
}

/** A record of ours without the key reads protobuf only; one of others has what the configuration says. */
function readCodecs(text: string | undefined, isOurs: boolean): readonly Codec[] | undefined {
  if (text === undefined) return isOurs ? ['proto'] : undefined;
  return text.split(',').includes('json') ? ['proto', 'json'] : ['proto'];
}

function worse(system: EndpointHealth | undefined, own: string | undefined): EndpointHealth | undefined {
  if (system === 'failing' || own === 'failing') return 'failing';
  return system === 'draining' || own === 'draining' ? 'draining' : undefined;
}
