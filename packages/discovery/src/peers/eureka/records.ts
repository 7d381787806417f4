import type { Endpoint, EndpointHealth } from '@bascule/core';
import { fromMetadata, toMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { numberAt, objectAt, textAt, textsOf, type JsonObject } from '../json.ts';
import { toForeignId, toPort, toServices } from '../others.ts';
import type { EurekaInstance } from './applications.ts';

const INCARNATION = 'bascule-incarnation';

/** Ids that an instance's endpoint may have; the first is the one it has if it can be read. */
export function idsOf({ raw, app, id }: EurekaInstance): string[] {
  const foreignId = toForeignId(app, id);
  return textAt(objectAt(raw, 'metadata'), INCARNATION) === '' ? [foreignId, id] : [id, foreignId];
}

/** `STARTING` and `UNKNOWN` are not up either. */
const HEALTHS: ReadonlyMap<string, EndpointHealth> = new Map([
  ['UP', 'healthy'],
  ['OUT_OF_SERVICE', 'draining'],
]);

/** Throws where the instance cannot be read. */
export function toEndpoint(instance: EurekaInstance, host: 'ip' | 'name', defaults: EndpointDefaults): Endpoint {
  const { raw, status } = instance;
  // A map without anything comes as its Java class.
  const { '@class': _, ...metadata } = textsOf(objectAt(raw, 'metadata'));
  const [ip, name] = [textAt(raw, 'ipAddr'), textAt(raw, 'hostName')];
  const port = portOf(raw);
  const health = HEALTHS.get(status) ?? 'failing';
  return fromMetadata(
    metadata,
    {
      instanceId: idsOf(instance)[0] as string,
      host: host === 'ip' ? ip || name : name || ip,
      port: Object.hasOwn(metadata, INCARNATION) ? port : toPort(port, metadata, defaults),
      tls: isSecureAlone(raw),
      zone: metadata['zone'] ?? textAt(objectAt(objectAt(raw, 'dataCenterInfo'), 'metadata'), 'availability-zone'),
      // Not its application, which is in capitals.
      ...toServices(textAt(raw, 'vipAddress')),
      ...(health !== 'healthy' && { health }),
    },
    defaults,
  );
}

/** The port in the clear, unless only the one of TLS is open. */
function portOf(raw: JsonObject): number {
  return numberAt(objectAt(raw, isSecureAlone(raw) ? 'securePort' : 'port'), '$');
}

function isSecureAlone(raw: JsonObject): boolean {
  const [plain, secure] = [objectAt(raw, 'port'), objectAt(raw, 'securePort')];
  return textAt(plain, '@enabled') === 'false' && textAt(secure, '@enabled') === 'true';
}

const STATUSES: Readonly<Record<EndpointHealth, string>> = {
  healthy: 'UP',
  draining: 'OUT_OF_SERVICE',
  failing: 'DOWN',
};

/** How Eureka calls a health. */
export function toStatus(health: EndpointHealth = 'healthy'): string {
  return STATUSES[health];
}

export interface InstanceOptions {
  readonly app: string;
  readonly durationSeconds: number;
  /** Eureka keeps what it has when this is lower than what it has, in milliseconds since 1970. */
  readonly dirtyMs: number;
}

/** What registers an endpoint. */
export function toRaw(endpoint: Endpoint, { app, durationSeconds, dirtyMs }: InstanceOptions): JsonObject {
  return {
    instance: {
      instanceId: endpoint.instanceId,
      app,
      hostName: endpoint.host,
      ipAddr: endpoint.host,
      vipAddress: endpoint.services[0] ?? app.toLowerCase(),
      secureVipAddress: endpoint.services[0] ?? app.toLowerCase(),
      status: toStatus(endpoint.health),
      port: { $: endpoint.port, '@enabled': 'true' },
      securePort: { $: endpoint.port, '@enabled': 'false' },
      dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
      leaseInfo: {
        durationInSecs: durationSeconds,
        renewalIntervalInSecs: Math.max(1, Math.floor(durationSeconds / 3)),
      },
      metadata: toMetadata(endpoint),
      lastDirtyTimestamp: String(dirtyMs),
    },
  };
}

/** The incarnation of an instance; 0 for one that is not ours. */
export function incarnationOf(raw: JsonObject): number {
  const incarnation = numberAt(objectAt(raw, 'metadata'), INCARNATION);
  return Number.isNaN(incarnation) ? 0 : incarnation;
}
