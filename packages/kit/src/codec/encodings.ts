import type { Fields } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

/** How the messages of one call are compressed each way. */
export interface Negotiated {
  readonly request: Compression | undefined;
  readonly response: Compression | undefined;
  /** The request's encoding where it is not known. */
  readonly unknown: string | undefined;
}

const PLAIN: Negotiated = { request: undefined, response: undefined, unknown: undefined };

/** More spellings than these are not remembered: a caller could grow the memory with made-up ones. */
const MAX_REMEMBERED = 256;

/** Agrees on encodings. Source: grpc/doc/compression.md. */
export class Encodings {
  private readonly available: readonly Compression[];
  private readonly remembered = new Map<string, Negotiated>();

  constructor(available: readonly Compression[]) {
    this.available = available;
  }

  /** `encoding` and `accept` are the values of `grpc-encoding` and `grpc-accept-encoding`; empty where absent. */
  negotiate(encoding: string, accept: string): Negotiated {
    if (encoding === '' && accept === '') return PLAIN;
    // Parted by what no field holds: callers could else spell a pair that is remembered for others.
    const key = `${encoding}\n${accept}`;
    const known = this.remembered.get(key);
    if (known !== undefined) return known;
    const found = this.find(encoding, accept);
    if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
    if (key.length <= 128) this.remembered.set(key, found);
    return found;
  }

  /** Names what is known in the field that the caller's protocol has for it. */
  unknownError(encoding: string, acceptField: string): ConnectError {
    const names = this.available.map(({ name }) => name).join(',');
    const message = `unknown compression "${encoding}": supported encodings are ${names}`;
    return new ConnectError(message, Code.Unimplemented, { [acceptField]: names });
  }

  private find(encoding: string, accept: string): Negotiated {
    const request = this.available.find(({ name }) => name === encoding);
    const unknown = request === undefined && encoding !== '' && encoding !== 'identity' ? encoding : undefined;
    // Who says nothing of answers reads what it writes.
    if (accept === '') return { request, response: request, unknown };
    const names = accept.split(',').map((name) => name.trim());
    const wanted = names.find((name) => this.available.some((compression) => compression.name === name));
    return { request, response: this.available.find(({ name }) => name === wanted), unknown };
  }
}

const heads = new Map<string, Fields>();

/** The head of an answer in the inner dialect; one array for all that are alike. */
export function headFields(codec: 'proto' | 'json', response: Compression | undefined): Fields {
  const key = response === undefined ? codec : `${codec} ${response.name}`;
  let fields = heads.get(key);
  if (fields === undefined) {
    const encoding = response === undefined ? [] : ['grpc-encoding', response.name];
    fields = Object.freeze(['content-type', `application/grpc+${codec}`, ...encoding]);
    heads.set(key, fields);
  }
  return fields;
}
