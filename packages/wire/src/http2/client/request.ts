import type { Fields, RequestHead } from '@bascule/core';
import { FieldsMemory } from '../../fields-memory.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import { encodeField, encodeName, encodeRawValue } from '../hpack/encoder.ts';

/** Fields that speak about one HTTP/1.1 connection, or that `:authority` stands for. Source: RFC 9113, 8.2.2 and 8.3.1. */
const NOT_FORWARDED = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'host',
]);
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const NO_BYTES = new Uint8Array(0);
const MAX_KNOWN_NAMES = 512;
const MAX_KNOWN_PATHS = 1024;

/** What goes before a value, by field name; empty for fields that are not forwarded. Names repeat from call to call. */
const knownNames = new Map<string, Uint8Array>();

/** What every field counts in a header list beside name and value (RFC 9113, 6.5.2). */
const FIELD_BYTES = 32;
/** Room for a field that the static table codes as one byte. */
const MAX_STATIC_BYTES = FIELD_BYTES + 32;
const PSEUDO_FIELDS = 4;

/** Undefined for a name that HTTP/2 forbids. */
function encodedName(name: string): Uint8Array | undefined {
  const known = knownNames.get(name);
  if (known !== undefined) return known;
  if (!NAME.test(name)) return undefined;
  let encoded: Uint8Array = NO_BYTES;
  if (!NOT_FORWARDED.has(name)) {
    const out = new ByteBuffer(name.length + 8);
    encodeName(out, name);
    encoded = Uint8Array.prototype.slice.call(out.bytes, 0, out.length);
  }
  // Starting over is enough: hostile callers cost a miss, honest names are back after one call.
  if (knownNames.size >= MAX_KNOWN_NAMES) knownNames.clear();
  knownNames.set(name, encoded);
  return encoded;
}

interface Prepared {
  readonly method: string;
  readonly authority: string;
  readonly scheme: string;
  readonly bytes: Uint8Array;
}

/** Encodes request heads for one peer; the pseudo-fields of a path are prepared once. */
export class RequestEncoder {
  readonly #authority: string;
  readonly #scheme: 'https' | undefined;
  readonly #prepared = new Map<string, Prepared>();

  /** `authority` is sent where a head has none; `scheme` stands for the one of every head, where the link knows better. */
  constructor(authority: string, scheme?: 'https') {
    this.#authority = authority;
    this.#scheme = scheme;
  }

  /** Appends the header block. Returns what is wrong with the head, or undefined. */
  encode(head: RequestHead, out: ByteBuffer): string | undefined {
    const pseudo = this.#pseudoFields(head);
    if (pseudo === undefined) return 'the path or authority holds an octet that HTTP/2 forbids';
    out.append(pseudo);
    return encodeFields(head.fields, out);
  }

  /** A bound on {@link listBytes}, cheap to get: Huffman coding spares less than half. */
  maxListBytes(head: RequestHead, codedBytes: number): number {
    return 2 * codedBytes + (head.fields.length / 2 + PSEUDO_FIELDS) * MAX_STATIC_BYTES;
  }

  /** Size of the header list by which peers limit it. Source: RFC 9113, 6.5.2. */
  listBytes(head: RequestHead): number {
    const { method, path, fields } = head;
    const authority = head.authority === '' ? this.#authority : head.authority;
    let bytes = ':method:scheme:path:authority'.length + PSEUDO_FIELDS * FIELD_BYTES;
    bytes += method.length + path.length + authority.length + (this.#scheme ?? head.scheme).length;
    for (let i = 0; i < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      if (isForwarded(name, value)) bytes += name.length + value.length + FIELD_BYTES;
    }
    return bytes;
  }

  #pseudoFields(head: RequestHead): Uint8Array | undefined {
    const known = this.#prepared.get(head.path);
    if (
      known !== undefined &&
      known.method === head.method &&
      known.authority === head.authority &&
      known.scheme === head.scheme
    ) {
      return known.bytes;
    }
    const bytes = encodePseudoFields(head, this.#authority, this.#scheme ?? head.scheme);
    if (bytes === undefined) return undefined;
    if (this.#prepared.size >= MAX_KNOWN_PATHS) this.#prepared.clear();
    this.#prepared.set(head.path, { method: head.method, authority: head.authority, scheme: head.scheme, bytes });
    return bytes;
  }
}

function isForwarded(name: string, value: string): boolean {
  return !NOT_FORWARDED.has(name) && (name !== 'te' || value === 'trailers');
}

function encodePseudoFields(head: RequestHead, ownAuthority: string, scheme: string): Uint8Array | undefined {
  const { method, path } = head;
  const authority = head.authority === '' ? ownAuthority : head.authority;
  if (!/^[\x21-\x7e\x80-\xff]+$/.test(path) || !/^[\x21-\x7e]*$/.test(authority) || !/^[A-Z-]+$/.test(method)) {
    return undefined;
  }
  const out = new ByteBuffer(path.length + authority.length + 32);
  encodeField(out, ':method', method);
  encodeField(out, ':scheme', scheme);
  encodeField(out, ':path', path);
  encodeField(out, ':authority', authority);
  return Uint8Array.prototype.slice.call(out.bytes, 0, out.length);
}

const MEMORY_SLOTS = 256;
/** Blocks of lists of fields. One serves all links of a thread: they hang on nothing else. */
const blocks = new FieldsMemory<Uint8Array>(MEMORY_SLOTS);
/** Of calls that are otherwise equal this one differs, and it comes last. */
const TIMEOUT = 'grpc-timeout';

function encodeFields(fields: Fields, out: ByteBuffer): string | undefined {
  const { length } = fields;
  const repeats = length > 1 && fields[length - 2] === TIMEOUT ? length - 2 : length;
  const known = blocks.find(fields, repeats, '');
  if (known !== undefined) {
    out.append(known);
  } else {
    const from = out.length;
    const wrong = encodeRange(fields, 0, repeats, out);
    if (wrong !== undefined) return wrong;
    if (blocks.wants(fields)) {
      blocks.remember(fields.slice(0, repeats), '', Uint8Array.prototype.slice.call(out.bytes, from, out.length));
    }
  }
  return encodeRange(fields, repeats, length, out);
}

function encodeRange(fields: Fields, from: number, to: number, out: ByteBuffer): string | undefined {
  for (let i = from; i < to; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    const encoded = encodedName(name);
    if (encoded === undefined) return `the field name ${JSON.stringify(name)} is not allowed in HTTP/2`;
    if (encoded.length === 0 || (name === 'te' && value !== 'trailers')) continue;
    out.append(encoded);
    if (!encodeRawValue(out, value)) return `the value of ${name} holds an octet that HTTP/2 forbids`;
  }
  return undefined;
}
