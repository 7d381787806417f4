import type { Fields } from '@bascule/core';
import { HOP_FIELDS } from '../hop-fields.ts';

/** What a dialect says in fields of its own. */
type Slot = 'timeout' | 'encoding' | 'acceptEncoding' | 'version' | 'length' | 'bodyEncoding';

/** Fields of a dialect, by name: which slot each fills. */
type SlotNames = ReadonlyMap<string, Slot | 'dropped'>;

/** A caller's fields, taken apart. */
export interface RequestFields {
  /** What goes on, after `content-type` and `te`. */
  readonly fields: string[];
  timeout: string | undefined;
  encoding: string | undefined;
  acceptEncoding: string | undefined;
  version: string | undefined;
  length: string | undefined;
  /** `content-encoding` where it is not the messages'. */
  bodyEncoding: string | undefined;
}

/**
 * Names never taken from a caller: those of the hop, of the outer representation, and those by which we ourselves
 * speak to callees, which a caller must not forge. Who the caller is, it may not say either: see `withPeer`.
 */
const DROPPED = [
  ...HOP_FIELDS,
  'content-type',
  'content-encoding',
  'accept',
  'accept-encoding',
  'grpc-timeout',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
  'grpc-previous-rpc-attempts',
  'grpc-retry-pushback-ms',
  'x-grpc-web',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
];

/** The table of a dialect: what is dropped everywhere, and its own slots. */
export function createSlotNames(slots: Readonly<Record<string, Slot>>): SlotNames {
  return new Map<string, Slot | 'dropped'>([
    ...DROPPED.map((name) => [name, 'dropped'] as const),
    ...Object.entries(slots),
  ]);
}

/** Takes a caller's fields apart. Order and duplicates of what goes on are kept. */
export function readRequestFields(fields: Fields, names: SlotNames, innerType: string): RequestFields {
  const passed: string[] = ['content-type', innerType, 'te', 'trailers'];
  const read: RequestFields = {
    fields: passed,
    timeout: undefined,
    encoding: undefined,
    acceptEncoding: undefined,
    version: undefined,
    length: undefined,
    bodyEncoding: undefined,
  };
  let connection = '';
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const slot = names.get(name);
    if (slot === undefined) {
      if (!isReserved(name)) passed.push(name, value);
    } else if (slot === 'acceptEncoding') {
      // A list may come in several fields.
      read.acceptEncoding = read.acceptEncoding === undefined ? value : `${read.acceptEncoding},${value}`;
    } else if (slot !== 'dropped') {
      read[slot] ??= value;
    } else if (name === 'connection' && value !== 'keep-alive') {
      connection += `,${value}`;
    }
  }
  if (connection !== '') dropNamed(passed, connection);
  return read;
}

/** By which callers ask why, say that their stream can go on elsewhere, and tell copies of calls as such. */
const FROM_CALLERS: ReadonlySet<string> = new Set([
  'bascule-explain',
  'bascule-explain-token',
  'bascule-mirror',
  'bascule-resumable',
]);

/** `:status` and the like, `connect-*`, and `bascule-*` but for what is said to a gateway. */
function isReserved(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case 0x3a:
      return true;
    case 0x62:
      return name.startsWith('bascule-') && !FROM_CALLERS.has(name);
    case 0x63:
      return name.startsWith('connect-');
    default:
      return name === '';
  }
}

/** Removes fields that `connection` names, in place, sparing the first two pairs, which are ours (RFC 9110, 7.6.1). */
function dropNamed(passed: string[], connection: string): void {
  const named = new Set(connection.split(',').map((token) => token.trim().toLowerCase()));
  let kept = 4;
  for (let i = 4; i < passed.length; i += 2) {
    if (named.has(passed[i] as string)) continue;
    passed[kept++] = passed[i] as string;
    passed[kept++] = passed[i + 1] as string;
  }
  passed.length = kept;
}
