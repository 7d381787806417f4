import type { Endpoint, EndpointHealth } from '@bascule/core';
import { fromMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { listAt, objectAt, textAt, textsOf, type JsonObject } from '../json.ts';
import { readRecord } from '../records.ts';
import { portOf, protocolOf, type SlicePort } from './port.ts';
import type { KubernetesTarget } from './target.ts';

/** What a slice says of one instance. */
export interface SliceEntry {
  /** As it stood there; the same text is the same endpoint. */
  readonly text: string;
  readonly endpoint: Endpoint;
  /** Its address is of the family that is wanted. */
  readonly isPreferred: boolean;
}

/** What all endpoints of a slice have in common. */
export interface SharedBySlice {
  readonly addressType: string;
  readonly port: SlicePort;
  readonly metadata: Readonly<Record<string, string>>;
  /** All of the above, and what of the source's settings counts. */
  readonly text: string;
  readonly target: EntryTarget;
}

export type EntryTarget = Pick<KubernetesTarget, 'portName' | 'family' | 'isOneService'>;

/** Kubernetes's own words about a slice say nothing of its endpoints; those of app.kubernetes.io do. */
const OF_KUBERNETES = /^(?!app\.)([a-z0-9.-]+\.)?(kubernetes|k8s)\.io\//;
/** An instance id is at most 255 long, and a pod's name may be that alone. */
const MAX_NAME_LENGTH = 200;

/** Throws when it is not clear which port is meant. */
export function readShared(slice: JsonObject, target: EntryTarget): SharedBySlice {
  const metadata = objectAt(slice, 'metadata');
  const texts = { ...textsOf(objectAt(metadata, 'labels')), ...textsOf(objectAt(metadata, 'annotations')) };
  const shared = {
    addressType: textAt(slice, 'addressType'),
    port: portOf(slice, target.portName),
    metadata: Object.fromEntries(Object.entries(texts).filter(([key]) => !OF_KUBERNETES.test(key))),
  };
  return { ...shared, text: JSON.stringify(shared), target };
}

/** A pod that comes again is another one by its uid, even under the same name. */
export function instanceIdOf(raw: JsonObject, { port, target }: SharedBySlice): string {
  const suffix = target.isOneService ? '' : `:${port.number}`;
  const pod = objectAt(raw, 'targetRef');
  const [name, uid] = [textAt(pod, 'name').slice(0, MAX_NAME_LENGTH), textAt(pod, 'uid')];
  if (name !== '') return (uid === '' ? name : `${name}@${uid}`) + suffix;
  const hostname = textAt(raw, 'hostname');
  return hostname === '' ? `${addressOf(raw)}:${port.number}` : hostname + suffix;
}

/** All who read slices take the first one, so that they agree. */
function addressOf(raw: JsonObject): string {
  const address = listAt(raw, 'addresses')[0];
  return typeof address === 'string' ? address : '';
}

export interface EntryToRead {
  readonly id: string;
  readonly raw: JsonObject;
  readonly shared: SharedBySlice;
  readonly defaults: EndpointDefaults;
  readonly known: SliceEntry | undefined;
  warn(message: string): void;
}

/** Undefined, with a warning, for an endpoint that cannot be used. */
export function readEntry(entry: EntryToRead): SliceEntry | undefined {
  const { id, raw, shared, known } = entry;
  const text = JSON.stringify(raw) + shared.text;
  if (known?.text === text) return known;
  const reading = readRecord(
    [id],
    () => toEndpoint(entry),
    (message) => entry.warn(message),
  );
  if ('unreadable' in reading) return undefined;
  return { text, endpoint: reading.endpoint, isPreferred: shared.addressType === shared.target.family };
}

function toEndpoint({ id, raw, shared: { port, metadata }, defaults }: EntryToRead): Endpoint {
  const health = healthOf(objectAt(raw, 'conditions'));
  const observed = {
    instanceId: id,
    host: addressOf(raw),
    port: port.number,
    zone: textAt(raw, 'zone'),
    tls: port.appProtocol === 'https',
    ...(health !== undefined && { health }),
  };
  const protocol = protocolOf(port.appProtocol, defaults.protocol);
  const endpoint = fromMetadata(metadata, observed, { ...defaults, protocol });
  if (endpoint.services.length > 0) return endpoint;
  throw new Error('what does it answer? Label its Service with bascule-services, or name services for this source');
}

/** What is not said is ready, and serves as it is ready. Source: EndpointConditions of discovery.k8s.io/v1. */
function healthOf(conditions: JsonObject): EndpointHealth | undefined {
  const isReady = conditions['ready'] !== false;
  const isServing = typeof conditions['serving'] === 'boolean' ? conditions['serving'] : isReady;
  if (conditions['terminating'] === true) return isServing ? 'draining' : 'failing';
  return isReady ? undefined : 'failing';
}
