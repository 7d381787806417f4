import type { Endpoint } from '@bascule/core';
import { ConnectError } from '@connectrpc/connect';
import { toEndpointMessage } from '../../endpoint-message.ts';
import { validateEndpoint } from '../../registry/validation.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { parseWrittenAddress, toAddressId } from '../address.ts';
import { PlacedError, parsePlaced, type Placed } from './places.ts';
import { FIELDS, readFields } from './endpoint-fields.ts';

/** What a text says of who is there. */
export interface EndpointList {
  readonly endpoints: readonly Endpoint[];
  /** Entries that cannot be read, each as `LINE:COLUMN endpoints[2].port: must be ...`; empty for a sound list. */
  readonly problems: readonly string[];
}

/** Beyond it a list is not what it was taken for; more belong into a registry. */
const MAX_ENDPOINTS = 10_000;

/**
 * Reads a list of endpoints in YAML or JSON: a list, or a map whose `endpoints` is one. An entry is `host:port`, or a map
 * with `address` and any of the other fields. Throws PlacedError when the text is no such list at all.
 */
export function parseEndpointList(text: string, defaults: EndpointDefaults): EndpointList {
  const entries = findEntries(parsePlaced(text));
  if (entries.length > MAX_ENDPOINTS) {
    throw new Error(`lists ${entries.length} endpoints, more than ${MAX_ENDPOINTS}: use a registry for so many`);
  }
  const byId = new Map<string, { endpoint: Endpoint; path: string }>();
  const problems: string[] = [];
  for (const entry of entries) {
    try {
      const endpoint = parseEntry(entry, defaults);
      const twin = byId.get(endpoint.instanceId);
      if (twin !== undefined) {
        throw new PlacedError(entry, `is the same instance as ${twin.path}: give each an instanceId of its own`);
      }
      byId.set(endpoint.instanceId, { endpoint, path: entry.path });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { endpoints: [...byId.values()].map(({ endpoint }) => endpoint), problems };
}

function findEntries(whole: Placed): readonly Placed[] {
  if (whole.value === null || whole.value === undefined) {
    throw new PlacedError(whole, 'is empty: write "endpoints: []" for a list of nobody');
  }
  const list = whole.elements();
  if (list !== undefined) return list;
  const fields = whole.fields();
  if (fields === undefined) throw new PlacedError(whole, 'must be a list of endpoints, or a map with "endpoints"');
  const stranger = [...fields].find(([name]) => name !== 'endpoints');
  if (stranger !== undefined) throw new PlacedError(stranger[1], 'means nothing here: "endpoints" is the only field');
  const endpoints = fields.get('endpoints');
  const elements = endpoints?.elements();
  if (elements === undefined)
    throw new PlacedError(endpoints ?? whole, 'must be a list: write "endpoints: []" for nobody');
  return elements;
}

function parseEntry(entry: Placed, defaults: EndpointDefaults): Endpoint {
  if (typeof entry.value === 'string') return validate(entry, toEndpoint(entry, {}, defaults));
  const fields = entry.fields();
  if (fields === undefined) throw new PlacedError(entry, 'must be "host:port", or a map with "address"');
  for (const [name, field] of fields) {
    if (!FIELDS.has(name)) throw new PlacedError(field, `means nothing here: there are ${[...FIELDS].join(', ')}`);
  }
  const address = fields.get('address');
  if (address === undefined) throw new PlacedError(entry, 'has no "address": write host:port');
  return validate(entry, toEndpoint(address, readFields(fields), defaults));
}

function toEndpoint(written: Placed, said: Partial<Endpoint>, defaults: EndpointDefaults): Endpoint {
  const address = typeof written.value === 'string' ? parseWrittenAddress(written.value) : undefined;
  if (address === undefined) {
    throw new PlacedError(written, 'must be host:port with a port from 1 to 65535, and brackets around IPv6');
  }
  return {
    instanceId: toAddressId(address),
    incarnation: 1,
    ...address,
    weight: 1,
    priority: 0,
    zone: '',
    moduleVersion: '',
    labels: {},
    ...defaults,
    ...said,
  };
}

const OF_RECORD = /^endpoint\.(?<field>[a-z_]+) (?<what>.*)$/s;

/** The limits of all records. */
function validate(entry: Placed, endpoint: Endpoint): Endpoint {
  try {
    validateEndpoint(toEndpointMessage(endpoint.services.length > 0 ? endpoint : { ...endpoint, services: ANY }));
    return endpoint;
  } catch (error) {
    const message = ConnectError.from(error).rawMessage;
    const { field = '', what = message } = OF_RECORD.exec(message)?.groups ?? {};
    const name = field.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const at = entry.fields()?.get(NAMES[name] ?? name);
    throw new PlacedError(at ?? entry, at === undefined && name !== '' ? `${name} ${what}` : what);
  }
}

/** Which services there are may be said elsewhere, or not at all by who only wants to look. */
const ANY = ['any'];
const NAMES: Readonly<Record<string, string>> = { host: 'address', port: 'address', moduleVersion: 'version' };
