import type { Endpoint } from '@bascule/core';
import type { Credentials, EndpointDefaults } from '@bascule/discovery';
import { digestOf } from '@bascule/schema';
import { nameOf } from '../config/discovery-settings.ts';
import { SettingsRefused, type ConfigPath } from '../config/error.ts';
import type { CredentialFiles, DiscoverySettings, StaticEndpointSettings } from '../config/settings-types.ts';

/** A source as the settings want it. Plain data: two that are equal are the same source. */
export interface SourcePlan {
  readonly name: string;
  readonly rank: number;
  readonly url: string;
  readonly credentials: Credentials;
  readonly defaults: EndpointDefaults;
  /** Descriptors of `defaults.schemaDigest`. */
  readonly schemas: ReadonlyMap<string, Uint8Array>;
}

/** A plan, and where in the configuration it stands. */
export interface PlacedPlan {
  readonly plan: SourcePlan;
  readonly path: ConfigPath;
}

/** Every source that is named. Throws SettingsRefused when one is named twice. `ownToken` is for `registry`, which shares it with the gateway. */
export function planSources(discovery: DiscoverySettings, ownToken: string): PlacedPlan[] {
  const { registry, sources, files } = discovery;
  const placed = sources.map(({ defaults, schemaFile, credentialFiles, username, ...source }, index): PlacedPlan => {
    const schema = schemaFile === undefined ? undefined : files.get(schemaFile);
    const schemaDigest = schema === undefined ? '' : digestOf(schema);
    return {
      path: ['discovery', 'sources', index, 'url'],
      plan: {
        ...source,
        credentials: { ...readCredentials(credentialFiles, files), ...(username !== undefined && { username }) },
        defaults: { ...defaults, schemaDigest },
        schemas: new Map(schema === undefined ? [] : [[schemaDigest, schema]]),
      },
    };
  });
  if (registry === undefined) return placed;
  const plan: SourcePlan = {
    name: nameOf(registry),
    rank: 0,
    url: registry,
    credentials: { token: ownToken },
    defaults: { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
    schemas: new Map(),
  };
  const path = ['discovery', 'registry'];
  // The checks of a file do not see what the command line puts in its place.
  if (placed.some((other) => other.plan.name === plan.name)) {
    const message = `is a source as well (${plan.name})`;
    throw new SettingsRefused({ path, message, advice: 'Name it once, or give the source a name of its own.' });
  }
  return [{ plan, path }, ...placed];
}

function readCredentials(named: CredentialFiles, files: ReadonlyMap<string, Uint8Array>): Credentials {
  const textOf = (file: string | undefined): string | undefined => {
    const bytes = file === undefined ? undefined : files.get(file);
    return bytes && new TextDecoder().decode(bytes);
  };
  const token = textOf(named.token)?.trim();
  // Editors end files with a line break; spaces may belong to a password.
  const password = textOf(named.password)?.replace(/\r?\n$/, '');
  const [ca, cert, key] = [textOf(named.ca), textOf(named.cert), textOf(named.key)];
  const tls = {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
  return {
    ...(token !== undefined && { token }),
    ...(password !== undefined && { password }),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}

/** The endpoints that stand in the configuration, with the descriptors that they name. */
export function planStatic({ endpoints, files }: DiscoverySettings): {
  readonly endpoints: readonly Endpoint[];
  readonly schemas: ReadonlyMap<string, Uint8Array>;
} {
  const schemas = new Map<string, Uint8Array>();
  const toEndpoint = ({ schemaFile, ...settings }: StaticEndpointSettings): Endpoint => {
    const schema = schemaFile === undefined ? undefined : files.get(schemaFile);
    const schemaDigest = schema === undefined ? '' : digestOf(schema);
    if (schema !== undefined) schemas.set(schemaDigest, schema);
    return {
      ...settings,
      instanceId: `static/${settings.host}:${settings.port}`,
      incarnation: 1,
      priority: 0,
      zone: '',
      schemaDigest,
      moduleVersion: '',
      labels: {},
    };
  };
  return { endpoints: endpoints.map(toEndpoint), schemas };
}
