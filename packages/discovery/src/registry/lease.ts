import { endpointKey } from '@bascule/core';
import type { Condition, Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { Due } from './due-wheel.ts';
import { encodePut, type EncodedEvent } from './encoded-events.ts';
import type { Namespace } from './namespaces.ts';

/** What is told of an instance. Never changed, only replaced. */
export interface EndpointRecord {
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly put: EncodedEvent;
}

/** One instance for as long as it renews. Times are of the listening clock. */
export interface Lease extends Due {
  readonly id: string;
  readonly namespace: Namespace;
  /** Who registered it, and alone may renew and end it. */
  readonly principal: string;
  record: EndpointRecord;
  /** What the instance said last of how it is; may be ahead of what is told. */
  condition: Condition | undefined;
  ttlMs: number;
  /** When it was heard of last. */
  heardAtMs: number;
  /** Between its last two words: how often this one renews. */
  gapMs: number;
  /** When its condition was told last. */
  toldAtMs: number;
}

/** An endpoint, encoded. */
export function toRecord(endpoint: Endpoint): EndpointRecord {
  const { instanceId, incarnation } = endpoint;
  return { key: endpointKey({ instanceId, incarnation: Number(incarnation) }), endpoint, put: encodePut(endpoint) };
}
