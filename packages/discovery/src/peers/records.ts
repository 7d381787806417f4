import type { Endpoint, EndpointHealth } from '@bascule/core';
import { ConnectError } from '@connectrpc/connect';
import { toEndpointMessage } from '../endpoint-message.ts';
import { isLabel, validateEndpoint } from '../registry/validation.ts';
import { quoteStart } from './quote.ts';

/** What became of one record: an endpoint, or the instance ids under which it may be known. */
export type Reading = { readonly endpoint: Endpoint } | { readonly unreadable: readonly string[] };

const MAX_LABELS = 64;

/**
 * Reads one record of a system that lets anybody write: what the embedded registry would refuse is not believed here
 * either. `ids` are the instance ids that it may go by. One that cannot be read is told by `warn`, and stops nobody else.
 */
export function readRecord(ids: readonly string[], read: () => Endpoint, warn: (message: string) => void): Reading {
  try {
    const endpoint = fitLabels(read());
    if (Number.isNaN(endpoint.port)) throw new Error('it tells no port');
    validateEndpoint(toEndpointMessage(endpoint));
    return { endpoint };
  } catch (error) {
    const why = error instanceof Error && !(error instanceof ConnectError) ? error : ConnectError.from(error);
    const message = why instanceof ConnectError ? why.rawMessage : why.message;
    warn(`the record of ${quoteStart(ids[0] ?? '')} cannot be read: ${message}`);
    return { unreadable: ids };
  }
}

/** An answer out of readings. Of an instance that is listed twice, its newest incarnation counts, and the healthiest of that. */
export function gatherReadings(readings: Iterable<Reading>): { endpoints: Endpoint[]; unreadable: string[] } {
  const best = new Map<string, Endpoint>();
  const unreadable: string[] = [];
  for (const reading of readings) {
    if ('unreadable' in reading) {
      unreadable.push(...reading.unreadable);
      continue;
    }
    const { endpoint } = reading;
    const other = best.get(endpoint.instanceId);
    if (other === undefined || isBetter(endpoint, other)) best.set(endpoint.instanceId, endpoint);
  }
  return { endpoints: [...best.values()], unreadable };
}

const HEALTHS: readonly EndpointHealth[] = ['failing', 'draining', 'healthy'];

function isBetter(one: Endpoint, other: Endpoint): boolean {
  if (one.incarnation !== other.incarnation) return one.incarnation > other.incarnation;
  return HEALTHS.indexOf(one.health ?? 'healthy') > HEALTHS.indexOf(other.health ?? 'healthy');
}

/** Others write what they like beside an address; what cannot be a label must not cost the address. */
export function fitLabels(endpoint: Endpoint): Endpoint {
  const pairs = Object.entries(endpoint.labels);
  const sound = pairs.filter(([key, value]) => isLabel(key, value)).slice(0, MAX_LABELS);
  return sound.length === pairs.length ? endpoint : { ...endpoint, labels: Object.fromEntries(sound) };
}
