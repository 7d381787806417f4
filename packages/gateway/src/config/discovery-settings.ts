import { parseSystemUrl, type CheckSettings, type LoadLimitSettings } from '@bascule/discovery';
import type {
  Discovery,
  DiscoverySource,
  HealthCheck,
  LoadLimit,
  StaticEndpoint,
} from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import { toMs } from './duration.ts';
import type { DiscoverySettings, SourceSettings, StaticEndpointSettings } from './settings-types.ts';

type ToPath = (path: string) => string;

const DAY_MS = 86_400_000;
const MAX_NAME_LENGTH = 128;
const HTTPS = 'https://';

export function resolveDiscovery(discovery: Discovery | undefined, toPath: ToPath): DiscoverySettings {
  const { registry, absentLimit, healthCheck, registryAccessFile } = discovery ?? {};
  const sources = (discovery?.sources ?? []).map((source) => resolveSource(source, toPath));
  return {
    registry,
    embeddedRegistry: discovery?.embeddedRegistry ?? (registry === undefined && sources.length === 0),
    registryAccessFile: registryAccessFile && toPath(registryAccessFile),
    endpoints: (discovery?.endpoints ?? []).map((endpoint) => resolveEndpoint(endpoint, toPath)),
    sources,
    absentLimitMs: absentLimit && toMs(absentLimit, 0),
    lastKnownMaxAgeMs: toMs(discovery?.lastKnownMaxAge, 7 * DAY_MS),
    healthCheck: healthCheck && resolveHealthCheck(healthCheck),
    baseDir: toPath('.'),
    files: new Map(),
  };
}

function resolveSource(source: DiscoverySource, toPath: ToPath): SourceSettings {
  const file = (path: string | undefined): string | undefined => path && toPath(path);
  return {
    name: source.name ?? nameOf(source.url),
    url: source.url,
    rank: source.rank ?? 0,
    defaults: {
      services: [...source.services],
      // The rules of both fields let no others through.
      protocol: (source.protocol ?? 'grpc') as StaticEndpointSettings['protocol'],
      codecs: source.codecs.includes('json') ? ['proto', 'json'] : ['proto'],
    },
    username: source.username,
    schemaFile: file(source.schema),
    credentialFiles: {
      token: file(source.tokenFile),
      password: file(source.passwordFile),
      ca: file(source.caFile),
      cert: file(source.certFile),
      key: file(source.keyFile),
    },
  };
}

/** Scheme and host of a source's URL; the whole of one that names no host. Empty for what is no URL. */
export function nameOf(text: string): string {
  const url = tryParse(text);
  if (url === undefined) return '';
  // Dots stand for the folder in which a relative file name begins.
  const named = /^\.*$/.test(url.host) ? text.replace(/[?#].*$/, '') : `${url.protocol}//${url.host}`;
  // Names stand in lists with commas, in logs and in labels.
  return named
    .replaceAll(/%3A/gi, ':')
    .replaceAll(/[^A-Za-z0-9._:/-]+/g, '_')
    .slice(0, MAX_NAME_LENGTH);
}

/** Undefined for what is no URL. */
export function tryParse(url: string): URL | undefined {
  try {
    return parseSystemUrl(url);
  } catch {
    return undefined;
  }
}

function resolveEndpoint(endpoint: StaticEndpoint, toPath: ToPath): StaticEndpointSettings {
  const tls = endpoint.address.startsWith(HTTPS);
  const address = tls ? endpoint.address.slice(HTTPS.length) : endpoint.address;
  const colon = address.lastIndexOf(':');
  return {
    // Brackets are how an address is written, not what it is.
    host: address.slice(0, colon).replaceAll(/[[\]]/g, ''),
    port: Number(address.slice(colon + 1)),
    ...(tls && { tls }),
    services: [...endpoint.services],
    weight: endpoint.weight ?? 1,
    schemaFile: endpoint.schema === undefined ? undefined : toPath(endpoint.schema),
    // The rule of the field lets no other through.
    protocol: (endpoint.protocol ?? 'grpc') as StaticEndpointSettings['protocol'],
    codecs: endpoint.codecs.includes('json') ? ['proto', 'json'] : ['proto'],
  };
}

export function resolveHealthCheck(check: HealthCheck): CheckSettings {
  const intervalMs = toMs(check.interval, 10_000);
  return {
    probe: resolveProbe(check.probe),
    intervalMs,
    jitterPercent: check.jitterPercent ?? 10,
    // A short interval must not need a timeout written beside it.
    timeoutMs: toMs(check.timeout, Math.min(1_000, intervalMs)),
    unhealthyThreshold: check.unhealthyThreshold ?? 3,
    healthyThreshold: check.healthyThreshold ?? 2,
    maxChecksPerInterval: check.maxChecksPerInterval ?? 1_000,
  };
}

function resolveProbe(probe: HealthCheck['probe']): CheckSettings['probe'] {
  switch (probe.case) {
    case 'grpc':
      return { kind: 'grpc', service: probe.value.service, watch: probe.value.watch ?? false };
    case 'http':
      return { kind: 'http', path: probe.value.path ?? '/healthz', port: probe.value.port, tls: probe.value.tls };
    case 'tcp':
      return { kind: 'tcp' };
    case undefined:
      return { kind: 'by-protocol' };
    default:
      return probe satisfies never;
  }
}

export function resolveLoadLimit(limit: LoadLimit): LoadLimitSettings {
  return { maxUtilization: limit.maxUtilization ?? 0, afterMs: toMs(limit.after, 5_000) };
}
