import { endpointKey, type Endpoint } from '@bascule/core';
import type { Endpoint as EndpointMessage, Event } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { fromEndpointMessage } from '../endpoint-message.ts';
import { validateEndpoint } from '../registry/validation.ts';
import type { Answer } from './feed.ts';

/** As many as a registry of ours holds. */
const MAX_ENDPOINTS = 100_000;

/** An endpoint, or undefined for a record that is not sound: whoever wrote the registry may not be careful. */
export function readEndpoint(message: EndpointMessage, onWarning: (message: string) => void): Endpoint | undefined {
  try {
    return fromEndpointMessage(validateEndpoint(message));
  } catch (error) {
    const id = JSON.stringify(message.instanceId.slice(0, 64));
    onWarning(`the registry's record of ${id} cannot be read: ${(error as Error).message}`);
    return undefined;
  }
}

/** Puts a part of a snapshot to those before. Throws when it becomes more than a process should take. */
export function addPart(events: Event[], part: readonly Event[]): Event[] {
  if (events.length + part.length > MAX_ENDPOINTS) {
    throw new Error(`the registry tells of more than ${MAX_ENDPOINTS} endpoints`);
  }
  for (const event of part) events.push(event);
  return events;
}

/** All of a snapshot. */
export function readSnapshot(
  events: readonly Event[],
  onWarning: (message: string) => void,
): Pick<Answer, 'endpoints'> & { unreadable: string[] } {
  const endpoints: Endpoint[] = [];
  const unreadable: string[] = [];
  for (const { event } of events) {
    if (event.case !== 'put') continue;
    const endpoint = readEndpoint(event.value, onWarning);
    if (endpoint === undefined) unreadable.push(event.value.instanceId);
    else endpoints.push(endpoint);
  }
  return { endpoints, unreadable };
}

/** Keys of who is there, to see how much of it a snapshot lacks. */
export interface PresentSet {
  add(key: string): void;
  delete(key: string): void;
  /** True when more than half of what was there is missing, and not all. */
  replace(answer: Pick<Answer, 'endpoints'>): boolean;
}

export function createPresentSet(): PresentSet {
  const keys = new Set<string>();
  return {
    add: (key) => void keys.add(key),
    delete: (key) => void keys.delete(key),
    replace({ endpoints }) {
      const told = new Set(endpoints.map(endpointKey));
      const missing = keys.difference(told);
      const isMost = missing.size * 2 > keys.size;
      keys.clear();
      for (const key of told) keys.add(key);
      return isMost && told.size > 0;
    },
  };
}
