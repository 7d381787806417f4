import type { Endpoint, EndpointHealth } from '@bascule/core';
import { fromMetadata, toMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { isObject, numberAt, objectAt, textAt, textsOf, type JsonObject } from '../json.ts';
import { toForeignId, toPort, toServices } from '../others.ts';
import { DEFAULT_CLUSTER } from './target.ts';

/** Nacos knows addresses alone: an instance of ours says in its metadata who it is. */
const INSTANCE = 'bascule-instance';
const INCARNATION = 'bascule-incarnation';
/** Nacos's own settings of a lease. */
const PRESERVED = 'preserved.';
const MAX_WEIGHT = 65_535;

/** Ids that an instance's endpoint may have; the first is the one it has if it can be read. */
export function idsOf(raw: JsonObject, service: string): string[] {
  const [ip, cluster] = [textAt(raw, 'ip'), textAt(raw, 'clusterName')];
  const address = `${ip}:${numberAt(raw, 'port')}`;
  const isNamed = cluster !== '' && cluster !== DEFAULT_CLUSTER;
  const foreignId = toForeignId(service, isNamed ? `${address}/${cluster}` : address);
  const own = textAt(objectAt(raw, 'metadata'), INSTANCE);
  return own === '' ? [foreignId] : [own, foreignId];
}

/** Throws where the instance cannot be read. */
export function toEndpoint(raw: JsonObject, service: string, defaults: EndpointDefaults): Endpoint {
  const told = Object.entries(textsOf(objectAt(raw, 'metadata'))).filter(([key]) => !key.startsWith(PRESERVED));
  const metadata = Object.fromEntries(told);
  const port = numberAt(raw, 'port');
  const health = healthOf(raw);
  return fromMetadata(
    metadata,
    {
      instanceId: idsOf(raw, service)[0] as string,
      host: textAt(raw, 'ip'),
      port: Object.hasOwn(metadata, INCARNATION) ? port : toPort(port, metadata, defaults),
      weight: toWeight(numberAt(raw, 'weight')),
      ...toServices(service),
      ...(health !== undefined && { health }),
    },
    defaults,
  );
}

/** Whether it did not renew. One that is not ephemeral does not: Nacos asks it. */
export function isSilent(raw: JsonObject): boolean {
  return raw['healthy'] === false && raw['ephemeral'] !== false;
}

function healthOf(raw: JsonObject): EndpointHealth | undefined {
  if (raw['healthy'] === false) return 'failing';
  return raw['enabled'] === false ? 'draining' : undefined;
}

/** Nacos has fractions; what is more than nothing must not become it. */
function toWeight(weight: number): number {
  if (!(weight > 0)) return Number.isNaN(weight) ? 1 : 0;
  return Math.max(1, Math.min(MAX_WEIGHT, Math.round(weight)));
}

/** What registers an endpoint, beside its address. */
export function toRegistered(endpoint: Endpoint, ttlMs: number): { weight: number; metadata: string } {
  const lease = {
    [`${PRESERVED}heart.beat.interval`]: String(Math.ceil(ttlMs / 3)),
    [`${PRESERVED}heart.beat.timeout`]: String(ttlMs),
    [`${PRESERVED}ip.delete.timeout`]: String(2 * ttlMs),
  };
  const metadata = { ...toMetadata(endpoint), [INSTANCE]: endpoint.instanceId, ...lease };
  // Nacos tells nobody of an instance that is disabled, while calls may still be under way there.
  return { weight: endpoint.health === 'draining' ? 0 : endpoint.weight, metadata: JSON.stringify(metadata) };
}

/** Who says to be at an address. */
export interface Claim {
  readonly instanceId: string;
  readonly incarnation: number;
  readonly ip: string;
  readonly port: number;
}

/** The instances of ours in a list. */
export function claimsOf(list: readonly unknown[]): Claim[] {
  return list.filter(isObject).flatMap((raw) => {
    const metadata = objectAt(raw, 'metadata');
    const [instanceId, incarnation] = [textAt(metadata, INSTANCE), numberAt(metadata, INCARNATION)];
    if (instanceId === '' || Number.isNaN(incarnation)) return [];
    return [{ instanceId, incarnation, ip: textAt(raw, 'ip'), port: numberAt(raw, 'port') }];
  });
}
