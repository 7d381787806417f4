import { createHash } from 'node:crypto';
import { tlsOfEndpoint, type EndpointTls } from '@bascule/client';
import type { Endpoint } from '@bascule/core';
import type { Settings, UpstreamTlsSettings } from '../config/settings-types.ts';
import type { UpstreamTls } from '../snapshot.ts';
import { ownSettings } from './own-settings.ts';

/** Pictures are compiled often, and files are read again only with the settings. */
const known = new WeakMap<Settings, Map<UpstreamTlsSettings, UpstreamTls>>();

/** How the endpoints of a service are called over TLS: its own settings over those of "*". */
export function upstreamTlsOf(service: string, settings: Settings): UpstreamTls | undefined {
  const { services } = settings;
  const found = ownSettings(services, service)?.tls ?? services['*']?.tls;
  if (found === undefined) return undefined;
  const made = known.get(settings) ?? new Map<UpstreamTlsSettings, UpstreamTls>();
  known.set(settings, made);
  const tls = made.get(found) ?? toUpstreamTls(found, settings.discovery.files);
  made.set(found, tls);
  return tls;
}

/** How an endpoint is asked for its health: as calls of the first of its services that says something of it. */
export function tlsOfMember(endpoint: Endpoint, settings: Settings): EndpointTls | undefined {
  const [first] = endpoint.services.flatMap((service) => upstreamTlsOf(service, settings) ?? []);
  const set = first && { name: first.name, required: first.required, current: () => first.link };
  return tlsOfEndpoint(endpoint, set);
}

function toUpstreamTls(settings: UpstreamTlsSettings, files: ReadonlyMap<string, Uint8Array>): UpstreamTls {
  const { caFile, certFile, keyFile, serverName, insecureSkipVerify, required } = settings;
  const textOf = (file: string | undefined): string | undefined => {
    const bytes = file === undefined ? undefined : files.get(file);
    return bytes && new TextDecoder().decode(bytes);
  };
  const [ca, cert, key] = [textOf(caFile), textOf(certFile), textOf(keyFile)];
  return {
    name: JSON.stringify(settings),
    digest: createHash('sha256')
      .update(JSON.stringify([ca, cert, key]))
      .digest('hex'),
    required,
    link: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(serverName !== undefined && { servername: serverName }),
      rejectUnauthorized: !insecureSkipVerify,
    },
  };
}
