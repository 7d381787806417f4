import type { Fields } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import type { TransportSettings } from './settings.ts';

/** What callers may give as headers: Headers, pairs or a record. */
export type HeaderInit = NonNullable<ConstructorParameters<typeof Headers>[0]>;

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What the protocol says by itself, and what speaks of one hop: a caller's word for it would contradict ours. */
const RESERVED: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'te',
  'host',
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
]);

const USER_AGENT = 'bascule-node/0.1.0';

/** What every call of a transport says first. */
export function createBaseFields(settings: TransportSettings): Fields {
  const { useBinaryFormat, sendCompression, acceptCompression } = settings;
  const fields = ['content-type', useBinaryFormat ? 'application/grpc+proto' : 'application/grpc+json'];
  fields.push('te', 'trailers');
  if (sendCompression !== null) fields.push('grpc-encoding', sendCompression.name);
  if (acceptCompression.length > 0) {
    fields.push('grpc-accept-encoding', acceptCompression.map(({ name }) => name).join(','));
  }
  return fields;
}

/** The fields of one call. Duplicates of pairs stay apart. Throws ConnectError for what HTTP does not allow. */
export function toRequestFields(
  base: Fields,
  header: HeaderInit | undefined,
  remainingMs: number | undefined,
): string[] {
  const fields = base.slice();
  if (remainingMs !== undefined) fields.push('grpc-timeout', encodeTimeout(remainingMs));
  let hasAgent = false;
  for (const [given, value] of pairsOf(header)) {
    const name = given.toLowerCase();
    if (!NAME.test(name) || !VALUE.test(value)) {
      const message = `the header ${JSON.stringify(given.slice(0, 100))} is not allowed in HTTP; binary values need base64`;
      throw new ConnectError(message, Code.Internal);
    }
    if (RESERVED.has(name)) continue;
    if (name === 'user-agent') hasAgent = true;
    fields.push(name, value.trim());
  }
  if (!hasAgent) fields.push('user-agent', USER_AGENT);
  return fields;
}

const NO_PAIRS: Iterable<readonly [string, string]> = [];

function pairsOf(header: HeaderInit | undefined): Iterable<readonly [string, string]> {
  if (header === undefined) return NO_PAIRS;
  if (Symbol.iterator in header) return header as Iterable<readonly [string, string]>;
  return Object.entries(header as Record<string, string>);
}

const MAX_VALUE = 99_999_999;

/** At most 8 digits and a unit, never more than what remains. Source: grpc PROTOCOL-HTTP2, Timeout. */
function encodeTimeout(remainingMs: number): string {
  // As exact as it goes, since a server that is told a millisecond less resets the call before our own deadline says
  // why. Zero is no lawful value.
  const remainingUs = Math.max(1, Math.floor(remainingMs * 1000));
  if (remainingUs <= MAX_VALUE) return `${remainingUs}u`;
  if (remainingMs <= MAX_VALUE) return `${Math.floor(remainingMs)}m`;
  const seconds = Math.floor(remainingMs / 1000);
  return seconds <= MAX_VALUE ? `${seconds}S` : `${Math.min(MAX_VALUE, Math.floor(seconds / 3600))}H`;
}
