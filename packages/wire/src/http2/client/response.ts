import type { Fields, ResponseHead } from '@bascule/core';
import { BlockMemory, hashOf, MAX_REMEMBERED_BYTES } from '../block-memory.ts';
import { faultOfField, parseContentLength } from '../field-rules.ts';
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
      const length = parseContentLength(value);
      if (length < 0 || (contentLength >= 0 && contentLength !== length)) return faulty('a wrong content-length');
      contentLength = length;
    }
    fields.push(name, value);
  }
  const head = status === '' ? undefined : { status: Number(status), fields };
  return { head, fields, fault: undefined, tooLarge: false, contentLength, hasGrpcStatus };
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

/** Each holds at most 1 KiB of block. */
const SLOTS = 64;

/** Remembers blocks by their bytes alone: lawful only while the peer may not use the dynamic table. */
export class ResponseBlocks {
  readonly #memory = new BlockMemory<ResponseBlock>(SLOTS);

  read(decoder: HpackDecoder, bytes: Buffer, start: number, end: number): ResponseBlock {
    if (end - start > MAX_REMEMBERED_BYTES) return parseResponseBlock(decoder.decode(bytes, start, end));
    const hash = hashOf(bytes, start, end);
    const known = this.#memory.get(hash, 0, bytes, start, end);
    if (known !== undefined) return known;
    const block = parseResponseBlock(decoder.decode(bytes, start, end));
    this.#memory.put({ hash, version: 0 }, bytes, start, end, block);
    return block;
  }
}
