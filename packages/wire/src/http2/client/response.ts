import type { Fields, ResponseHead } from '@bascule/core';
import type { HpackDecoder } from '../hpack/decoder.ts';

/** A decoded and judged header block of a response. Shared between equal blocks, so never changed. */
export interface ResponseBlock {
  /** Head with the final or 1xx status; undefined for a block without `:status`, as trailers are. */
  readonly head: ResponseHead | undefined;
  readonly fields: Fields;
  /** What is malformed about it (RFC 9113, 8.1.1), or undefined. */
  readonly fault: string | undefined;
  /** True when the header list was larger than our limits; then there are no fields. */
  readonly tooLarge: boolean;
  /** Value of content-length, or -1. */
  readonly contentLength: number;
  readonly hasGrpcStatus: boolean;
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const CONNECTION_FIELDS = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** Judges the fields of a block; undefined stands for a block above the limits. */
export function parseResponseBlock(all: readonly string[] | undefined): ResponseBlock {
  if (all === undefined) return faulty('', true);
  let status = '';
  let contentLength = -1;
  let hasGrpcStatus = false;
  const fields: string[] = [];
  for (let i = 0; i < all.length; i += 2) {
    const name = all[i] as string;
    const value = all[i + 1] as string;
    if (name === ':status') {
      if (status !== '' || fields.length > 0) return faulty(':status twice or after other fields');
      // RFC 9110 knows 100 to 599, but a backend that says 800 has answered: its callers get a status of it.
      if (!/^[1-9]\d\d$/.test(value)) return faulty(`:status ${JSON.stringify(value)}`);
      status = value;
      continue;
    }
    const fault = faultOfField(name, value);
    if (fault !== undefined) return faulty(fault);
    if (name === 'grpc-status') hasGrpcStatus = true;
    if (name === 'content-length') {
      if (!/^\d{1,15}$/.test(value) || (contentLength >= 0 && contentLength !== Number(value))) {
        return faulty('a wrong content-length');
      }
      contentLength = Number(value);
    }
    fields.push(name, value);
  }
  const head = status === '' ? undefined : { status: Number(status), fields };
  return { head, fields, fault: undefined, tooLarge: false, contentLength, hasGrpcStatus };
}

function faultOfField(name: string, value: string): string | undefined {
  if (!NAME.test(name)) return `the field name ${JSON.stringify(name.slice(0, 40))}`;
  if (CONNECTION_FIELDS.has(name)) return `the connection-specific field ${name}`;
  return BAD_VALUE.test(value) ? `the value of ${name}` : undefined;
}

function faulty(fault: string, tooLarge = false): ResponseBlock {
  return {
    head: undefined,
    fields: [],
    fault: tooLarge ? undefined : fault,
    tooLarge,
    contentLength: -1,
    hasGrpcStatus: false,
  };
}

const SLOTS = 64;
const MAX_REMEMBERED_BYTES = 1024;

interface Slot {
  hash: number;
  bytes: Uint8Array;
  block: ResponseBlock;
}

/**
 * Remembers blocks by their bytes: most responses and trailers of a backend repeat exactly. Lawful only while the
 * peer may not use the dynamic table, since then equal bytes mean equal fields. Holds at most 64 blocks of 1 KiB.
 */
export class ResponseBlocks {
  readonly #slots: (Slot | undefined)[] = Array.from({ length: SLOTS });

  read(decoder: HpackDecoder, bytes: Buffer, start: number, end: number): ResponseBlock {
    if (end - start > MAX_REMEMBERED_BYTES) return parseResponseBlock(decoder.decode(bytes, start, end));
    const hash = hashOf(bytes, start, end);
    const slot = this.#slots[hash & (SLOTS - 1)];
    if (slot !== undefined && slot.hash === hash && isEqual(slot.bytes, bytes, start, end)) return slot.block;
    const block = parseResponseBlock(decoder.decode(bytes, start, end));
    this.#slots[hash & (SLOTS - 1)] = { hash, bytes: Uint8Array.prototype.slice.call(bytes, start, end), block };
    return block;
  }
}

export function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x0100_0193);
  // The low bits of the product hang on the low bits of the input alone.
  return hash ^ (hash >>> 15);
}

/** All bytes are compared: a peer that finds equal hashes must not get another's fields. */
function isEqual(known: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let i = 0; i < known.length; i++) {
    if (known[i] !== bytes[start + i]) return false;
  }
  return true;
}
