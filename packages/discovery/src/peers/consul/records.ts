import type { Endpoint, EndpointHealth } from '@bascule/core';
import { fromMetadata, toMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { isObject, listAt, numberAt, objectAt, textAt, textsOf, type JsonObject } from '../json.ts';
import { toForeignId, toPort, toServices } from '../others.ts';
import { fromConsulMeta, toConsulMeta } from './meta.ts';

/** One element of `/v1/health/service/<name>`. */
export interface ConsulRecord {
  readonly node: JsonObject;
  readonly service: JsonObject;
  readonly checks: readonly JsonObject[];
  /** Unique within an answer: the same id may be registered at two nodes. */
  readonly key: string;
  /** Ids that its endpoint may have; the first is the one it has if it can be read. */
  readonly ids: readonly string[];
  /** The same as long as the registration is: it survives updates, and does not survive a Consul that lost its data. */
  readonly witness: string;
  /** Differs whenever the record does, within one history. */
  readonly version: string;
}

const INCARNATION = 'bascule-incarnation';

/** Undefined for what is no record at all. */
export function toConsulRecord(entry: unknown): ConsulRecord | undefined {
  if (!isObject(entry)) return undefined;
  const [node, service] = [objectAt(entry, 'Node'), objectAt(entry, 'Service')];
  const id = textAt(service, 'ID');
  if (id === '') return undefined;
  const checks = listAt(entry, 'Checks').filter(isObject);
  const foreignId = toForeignId(textAt(node, 'Node'), id);
  const isOurs = textAt(objectAt(service, 'Meta'), INCARNATION) !== '';
  const states = checks.map((check) => `${textAt(check, 'CheckID')}=${textAt(check, 'Status')}`);
  const nodeId = textAt(node, 'ID') || textAt(node, 'Node');
  return {
    node,
    service,
    checks,
    key: foreignId,
    ids: isOurs ? [id, foreignId] : [foreignId, id],
    witness: `${nodeId} ${id} ${numberAt(service, 'CreateIndex')}`,
    version: `${nodeId} ${numberAt(node, 'ModifyIndex')} ${numberAt(service, 'ModifyIndex')} ${states.join(' ')}`,
  };
}

/** What Consul writes into a check that nobody renewed. */
const NOT_RENEWED = /^TTL expired/;

/** Whether nothing is known to be wrong but that it did not renew. */
export function isSilent({ checks }: ConsulRecord): boolean {
  const critical = checks.filter((check) => textAt(check, 'Status') === 'critical');
  return critical.length > 0 && critical.every((check) => NOT_RENEWED.test(textAt(check, 'Output')));
}

/** As if it had renewed. */
export function spare(record: ConsulRecord): ConsulRecord {
  const checks = record.checks.filter((check) => textAt(check, 'Status') !== 'critical');
  return { ...record, checks, version: `${record.version} spared` };
}

/** Throws where the record cannot be read. */
export function toEndpoint(record: ConsulRecord, defaults: EndpointDefaults): Endpoint {
  const { node, service, checks } = record;
  const metadata = fromConsulMeta(textsOf(objectAt(service, 'Meta')));
  const status = statusOf(checks);
  const weights = objectAt(service, 'Weights');
  const weight = numberAt(weights, status === 'warning' ? 'Warning' : 'Passing');
  // What Consul says of a warning instance is newer than what the instance said of itself.
  if (status === 'warning') delete metadata['bascule-weight'];
  const isOurs = Object.hasOwn(metadata, INCARNATION);
  const port = numberAt(service, 'Port');
  const endpoint = fromMetadata(
    metadata,
    {
      instanceId: record.ids[0] as string,
      host: textAt(service, 'Address') || textAt(node, 'Address'),
      port: isOurs ? port : toPort(port, metadata, defaults),
      ...(Number.isNaN(weight) ? {} : { weight }),
      zone: textAt(node, 'Datacenter'),
      ...toServices(textAt(service, 'Service')),
      ...(status !== 'passing' && status !== 'warning' && { health: status }),
    },
    defaults,
  );
  return { ...endpoint, labels: { ...labelsOfTags(listAt(service, 'Tags')), ...endpoint.labels } };
}

const MAINTENANCE = /^_(?:node|service)_maintenance/;

/** Maintenance is a critical check to Consul, and somebody's wish: those under way may end. */
function statusOf(checks: readonly JsonObject[]): 'passing' | 'warning' | Exclude<EndpointHealth, 'healthy'> {
  let status: ReturnType<typeof statusOf> = 'passing';
  for (const check of checks) {
    const said = textAt(check, 'Status');
    if (MAINTENANCE.test(textAt(check, 'CheckID'))) status = 'draining';
    else if (said === 'critical') return 'failing';
    else if (said === 'warning' && status === 'passing') status = 'warning';
  }
  return status;
}

/** `key=value`, as many tools write tags, is a label; any other tag is the label `tag/<tag>` without a value. */
function labelsOfTags(tags: readonly unknown[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const tag of tags) {
    if (typeof tag !== 'string') continue;
    const at = tag.indexOf('=');
    if (at > 0) labels[tag.slice(0, at)] = tag.slice(at + 1);
    else labels[`tag/${tag}`] = '';
  }
  return labels;
}

/** How a service is registered. */
export interface Definition extends JsonObject {
  readonly Meta: Readonly<Record<string, string>>;
}

/** What registers an endpoint, but for its check. Health is told by checks. */
export function toDefinition(endpoint: Endpoint, name: string, tags: readonly string[]): Definition {
  const { health: _, ...told } = endpoint;
  return {
    ID: endpoint.instanceId,
    Name: name,
    Address: endpoint.host,
    Port: endpoint.port,
    Tags: tags,
    Meta: toConsulMeta(toMetadata(told)),
    // Consul knows no 0; who reads our metadata does.
    Weights: { Passing: Math.max(1, endpoint.weight), Warning: 1 },
  };
}

/** The incarnation of a service as its agent tells it: 0 for one that is not ours. */
export function incarnationOf(service: unknown): number {
  const incarnation = isObject(service) ? numberAt(objectAt(service, 'Meta'), INCARNATION) : NaN;
  return Number.isNaN(incarnation) ? 0 : incarnation;
}
