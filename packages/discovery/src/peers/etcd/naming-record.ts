import type { Endpoint } from '@bascule/core';
import { fromMetadata } from '../../metadata.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { decodeText, readForeign } from '../json-record.ts';

/** What stands at a key of others. */
export interface NamingRecord {
  /** The key behind the prefix. */
  readonly name: string;
  readonly value: Uint8Array;
  /** Grows with each registration, so it tells processes of one name apart. */
  readonly createRevision: bigint;
}

const ADDRESS =
  /^(?:[a-z][a-z0-9+.-]*:\/\/)?(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[^:/[\]\s]+)):(?<port>[0-9]{1,5})\/?$/i;

/**
 * An endpoint of a record of others: `{"Addr":"host:port","Metadata":{}}`, as the naming package of etcd's own client
 * writes it, or a bare `host:port`. Throws, with words, for anything else.
 */
export function parseNamingRecord(record: NamingRecord, defaults: EndpointDefaults): Endpoint {
  return readForeign(() => {
    const text = decodeText(record.value).trim();
    const { address, metadata } = text.startsWith('{') ? parseUpdate(text) : { address: text, metadata: {} };
    const { v6, name, port } = ADDRESS.exec(address)?.groups ?? {};
    if (port === undefined) throw new Error('it is neither {"Addr":"host:port"} nor host:port');
    const observed = {
      instanceId: toInstanceId(record.name),
      incarnation: Number(record.createRevision),
      host: (v6 ?? name) as string,
      port: Number(port),
    };
    return fromMetadata(metadata, observed, defaults);
  });
}

/** Names of others may be paths and addresses in brackets. */
export function toInstanceId(name: string): string {
  return name.replace(/[^A-Za-z0-9._:@-]/g, '.').replace(/^[._:@-]+/, '');
}

function parseUpdate(text: string): { address: string; metadata: Record<string, string> } {
  const update: unknown = JSON.parse(text);
  const { Addr: address, Metadata: metadata } = update as { Addr?: unknown; Metadata?: unknown };
  if (typeof address !== 'string') throw new Error('its "Addr" is no text');
  const entries = typeof metadata === 'object' && metadata !== null ? Object.entries(metadata) : [];
  return { address, metadata: Object.fromEntries(entries.filter((entry) => typeof entry[1] === 'string')) };
}
