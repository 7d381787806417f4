/**
 * Consul's metadata of a service: 64 pairs, keys of letters, digits, `_` and `-` in 128 bytes, values of 512 bytes. Ours
 * are as in metadata.ts, but for keys of labels that do not fit, which are escaped, and for long lists of services, which
 * go on under `bascule-services-2` and so on.
 */
const LABEL_PREFIX = 'bascule-label-';
const SERVICES = 'bascule-services';
const MAX_PAIRS = 64;
const MAX_KEY_BYTES = 128;
const MAX_VALUE_BYTES = 512;
const PLAIN_KEY = /^(?!consul-)[A-Za-z0-9_-]+$/;

/** What stands in the metadata of {@link toMetadata}, as Consul takes it but for its limits. */
export function toConsulMeta(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const meta: Record<string, string> = {};
  for (const [key, value] of Object.entries(metadata)) {
    if (key === SERVICES) splitServices(value).forEach((part, index) => (meta[numbered(index)] = part));
    else meta[PLAIN_KEY.test(key) ? key : `${LABEL_PREFIX}${escapeKey(key)}`] = value;
  }
  return meta;
}

/** Why Consul would not take it, for people; undefined when it would. Its own words begin with the whole value. */
export function whyTooLarge(meta: Readonly<Record<string, string>>): string | undefined {
  const pairs = Object.entries(meta);
  if (pairs.length > MAX_PAIRS) {
    return `labels and the rest make ${pairs.length} pairs of Consul's metadata, which takes ${MAX_PAIRS}: use fewer labels`;
  }
  for (const [key, value] of pairs) {
    const [keyBytes, valueBytes] = [Buffer.byteLength(key), Buffer.byteLength(value)];
    if (keyBytes <= MAX_KEY_BYTES && valueBytes <= MAX_VALUE_BYTES) continue;
    const limits = `keys of ${MAX_KEY_BYTES} and values of ${MAX_VALUE_BYTES}`;
    return `"${key}" makes ${keyBytes} and ${valueBytes} bytes of Consul's metadata, which takes ${limits}: shorten it`;
  }
  return undefined;
}

/** The reverse of {@link toConsulMeta}. */
export function fromConsulMeta(meta: Readonly<Record<string, string>>): Record<string, string> {
  const metadata: Record<string, string> = {};
  const services: string[] = [];
  for (const [key, value] of Object.entries(meta)) {
    if (key.startsWith(LABEL_PREFIX)) metadata[unescapeKey(key.slice(LABEL_PREFIX.length))] = value;
    else if (key === SERVICES || /^bascule-services-[0-9]+$/.test(key)) services.push(key);
    else metadata[key] = value;
  }
  if (services.length > 0) {
    const inOrder = services.sort((one, other) => numberOf(one) - numberOf(other));
    metadata[SERVICES] = inOrder.map((key) => meta[key]).join(',');
  }
  return metadata;
}

function splitServices(list: string): string[] {
  const parts: string[] = [];
  for (const name of list.split(',')) {
    const last = parts.at(-1);
    if (last !== undefined && last.length + 1 + name.length <= MAX_VALUE_BYTES) parts[parts.length - 1] += `,${name}`;
    else parts.push(name);
  }
  return parts;
}

function numbered(index: number): string {
  return index === 0 ? SERVICES : `${SERVICES}-${index + 1}`;
}

function numberOf(key: string): number {
  return key === SERVICES ? 1 : Number(key.slice(SERVICES.length + 1));
}

/** `_` and two hex digits for what a key may not hold, `_` itself included; keys of labels are ASCII. */
function escapeKey(key: string): string {
  return key.replace(/[^A-Za-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function unescapeKey(escaped: string): string {
  return escaped.replace(/_([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
