import type { Codec, Endpoint, EndpointHealth } from '@bascule/core';
import { PlacedError, type Placed } from './places.ts';

type Reader = (field: Placed) => Partial<Endpoint>;

const PROTOCOLS = ['grpc', 'grpc-web', 'grpc-web+http1', 'connect', 'connect+http1'] as const;
const CODECS = ['proto', 'json'] as const;
const HEALTHS = ['healthy', 'failing', 'draining'] as const;
const MAX_PRIORITY = 65_535;

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['services', (field) => ({ services: readTexts(field) })],
  ['weight', (field) => ({ weight: readNumber(field, 65_535) })],
  ['priority', (field) => ({ priority: readNumber(field, MAX_PRIORITY) })],
  ['zone', (field) => ({ zone: readText(field) })],
  ['labels', (field) => ({ labels: readLabels(field) })],
  ['protocol', (field) => ({ protocol: readWord(field, PROTOCOLS) })],
  ['codecs', (field) => ({ codecs: readCodecs(field) })],
  ['instanceId', (field) => ({ instanceId: readText(field) })],
  ['incarnation', (field) => ({ incarnation: readNumber(field, Number.MAX_SAFE_INTEGER) })],
  ['schemaDigest', (field) => ({ schemaDigest: readText(field) })],
  ['version', (field) => ({ moduleVersion: readText(field) })],
  ['health', (field) => toHealth(readWord(field, HEALTHS))],
]);

/** What an entry of a list may say. */
export const FIELDS: ReadonlySet<string> = new Set(['address', ...READERS.keys()]);

/** What an entry says beside its address. Throws PlacedError. */
export function readFields(fields: ReadonlyMap<string, Placed>): Partial<Endpoint> {
  return Object.assign(
    {},
    ...[...fields].map(([name, field]) => READERS.get(name)?.(field) ?? {}),
  ) as Partial<Endpoint>;
}

function readText(field: Placed): string {
  if (typeof field.value === 'string') return field.value;
  throw new PlacedError(field, 'must be a text: put it in quotes where it reads as something else');
}

function readNumber(field: Placed, max: number): number {
  const { value } = field;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max) return value;
  throw new PlacedError(field, `must be a whole number from 0 to ${max}`);
}

function readTexts(field: Placed): string[] {
  const elements = field.elements();
  if (elements === undefined) throw new PlacedError(field, 'must be a list');
  return elements.map(readText);
}

function readWord<Word extends string>(field: Placed, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === field.value);
  if (word !== undefined) return word;
  throw new PlacedError(field, `must be one of ${words.join(', ')}`);
}

function readCodecs(field: Placed): Codec[] {
  const codecs = field.elements()?.map((element) => readWord(element, CODECS));
  if (codecs === undefined) throw new PlacedError(field, 'must be a list of proto and json');
  return codecs.includes('json') ? ['proto', 'json'] : ['proto'];
}

function readLabels(field: Placed): Record<string, string> {
  const fields = field.fields();
  if (fields === undefined) throw new PlacedError(field, 'must be a map of texts');
  return Object.fromEntries([...fields].map(([key, value]) => [key, readText(value)]));
}

function toHealth(health: EndpointHealth): Partial<Endpoint> {
  return health === 'healthy' ? {} : { health };
}
