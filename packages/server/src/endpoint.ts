import { createSecureContext } from 'node:tls';
import type { Clock, Endpoint } from '@bascule/core';
import { parseSystemUrl, toAddressId } from '@bascule/discovery';
import type { Kit } from '@bascule/kit';
import type { ServeOptions, ServeRegistry } from './options.ts';

const ALL_ADDRESSES = new Set(['0.0.0.0', '::', '']);

/** What a server says of itself. `port` is the one it listens on. */
export function createEndpoint(options: ServeOptions & { clock: Clock; kit: Kit; port: number }): Endpoint {
  const { clock, kit, port } = options;
  const host = advertisedHost(options);
  return {
    instanceId: options.instanceId ?? createInstanceId(host, port, clock),
    incarnation: options.incarnation ?? Math.floor(clock.wallMs()),
    host,
    port,
    protocol: 'grpc',
    ...(options.tls !== undefined && { tls: true }),
    codecs: ['proto', 'json'],
    weight: options.weight ?? 1,
    priority: 0,
    zone: options.zone ?? '',
    services: kit.services,
    schemaDigest: kit.schemaDigest,
    moduleVersion: options.version ?? '',
    labels: options.labels ?? {},
  };
}

/** Every registry that the options name. */
export function registriesOf({ registry }: ServeOptions): readonly ServeRegistry[] {
  if (registry === undefined) return [];
  return 'url' in registry ? [registry] : registry;
}

/** Throws on what would only show once the port is taken, or never: nobody could find the server. */
export function validateOptions(options: ServeOptions): void {
  advertisedHost(options);
  checkTls(options);
  for (const { url } of registriesOf(options)) {
    try {
      parseSystemUrl(url);
    } catch (cause) {
      throw new Error(`registry.url "${url}" is no address: write it as in http://127.0.0.1:7070`, { cause });
    }
  }
}

/** OpenSSL says what is wrong, and not with what; Node takes an empty text for none. */
function checkTls({ tls }: ServeOptions): void {
  if (tls === undefined) return;
  for (const name of ['cert', 'key', 'clientCa'] as const) {
    const text = tls[name];
    if (name === 'clientCa' && text === undefined) continue;
    if (text?.includes('-----BEGIN') !== true) throw new Error(`tls.${name} is no PEM text: give what the file holds`);
  }
  try {
    createSecureContext({ cert: tls.cert, key: tls.key, ca: tls.clientCa });
  } catch (cause) {
    throw new Error(`tls: cert, key and clientCa make no server (${(cause as Error).message})`, { cause });
  }
}

function advertisedHost({ host = '127.0.0.1', advertiseHost, registry }: ServeOptions): string {
  if (advertiseHost !== undefined) return advertiseHost;
  if (registry !== undefined && ALL_ADDRESSES.has(host)) {
    throw new Error(`host "${host}" is no address that others can reach: set advertiseHost to the one to register`);
  }
  return host;
}

function createInstanceId(host: string, port: number, clock: Clock): string {
  const chance = Math.floor(clock.random() * 2 ** 32).toString(16);
  return `${toAddressId({ host, port })}:${chance.padStart(8, '0')}`;
}
