import type { Fields } from '@bascule/core';
import { HOP_FIELDS, isSendable } from '../../listener/fields.ts';
import { FieldsMemory } from '../../fields-memory.ts';
import { ByteBuffer } from '../byte-buffer.ts';
import { parseContentLength } from '../field-rules.ts';
import { encodeField, encodeName, encodeRawValue } from '../hpack/encoder.ts';

/** A header block that may be sent as it stands: it uses no dynamic table. */
export interface EncodedBlock {
  readonly bytes: Uint8Array;
  /** The callee's content-length, or -1; NaN if it is no number. */
  readonly contentLength: number;
}

const SLOTS = 256;
const MAX_REMEMBERED_BYTES = 512;
const MAX_KNOWN_NAMES = 512;
/** Trailers have no status. */
const NO_STATUS = 0;

/** Fields of which nobody can tell which value the callee meant, if there are two. */
const SINGLE_FIELDS: ReadonlySet<string> = new Set(['content-type', 'content-length']);

/**
 * Encodes response heads and trailers (RFC 9113, 8.3.2; RFC 7541). Most of them repeat: a list with the same content gets
 * the block of the first one. Fields that HTTP/2 cannot carry are left out, since one bad field of an upstream must not
 * cost the whole answer.
 */
export class ResponseEncoder {
  readonly #blocks = new FieldsMemory<EncodedBlock>(SLOTS);
  readonly #names = new Map<string, Uint8Array>();
  readonly #scratch = new ByteBuffer(1024);

  /** The block of a head, or undefined where a field that has one value comes with two. */
  head(status: number, fields: Fields): EncodedBlock | undefined {
    return this.#find(status, fields);
  }

  trailers(fields: Fields): EncodedBlock {
    return this.#find(NO_STATUS, fields) ?? { bytes: new Uint8Array(0), contentLength: -1 };
  }

  #find(status: number, fields: Fields): EncodedBlock | undefined {
    const known = this.#blocks.find(fields, fields.length, status);
    if (known !== undefined) return known;
    const block = this.#encode(status, fields);
    if (block === undefined || block.bytes.length > MAX_REMEMBERED_BYTES) return block;
    if (this.#blocks.wants(fields)) this.#blocks.remember(fields, status, block);
    return block;
  }

  #encode(status: number, fields: Fields): EncodedBlock | undefined {
    const out = this.#scratch;
    out.length = 0;
    if (status !== NO_STATUS) encodeField(out, ':status', String(status));
    let contentLength = -1;
    let singles = '';
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i] as string;
      const value = fields[i + 1] as string;
      const encoded = this.#encodedName(name, value);
      if (encoded === undefined) continue;
      if (SINGLE_FIELDS.has(name) && status !== NO_STATUS) {
        if (singles.includes(name)) return undefined;
        singles += name;
        if (name === 'content-length') contentLength = parseContentLength(value);
        if (name === 'content-length' && contentLength < 0) contentLength = Number.NaN;
      }
      out.append(encoded);
      encodeRawValue(out, value);
    }
    return { bytes: Uint8Array.prototype.slice.call(out.bytes, 0, out.length), contentLength };
  }

  /** What goes before a value; undefined where the pair cannot be sent. */
  #encodedName(name: string, value: string): Uint8Array | undefined {
    const known = this.#names.get(name);
    if (known !== undefined && isSendable(KNOWN_NAME, value)) return known;
    const lower = name.toLowerCase();
    if (!isSendable(lower, value) || HOP_FIELDS.has(lower)) return undefined;
    const out = new ByteBuffer(lower.length + 8);
    encodeName(out, lower);
    const encoded: Uint8Array = Uint8Array.prototype.slice.call(out.bytes, 0, out.length);
    // Starting over is enough: names repeat, and are back after one call.
    if (this.#names.size >= MAX_KNOWN_NAMES) this.#names.clear();
    this.#names.set(name, encoded);
    return encoded;
  }
}

/** Stands for a name that was judged before. */
const KNOWN_NAME = 'x';
