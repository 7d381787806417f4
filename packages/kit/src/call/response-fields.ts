import type { Fields } from '@bascule/core';
import type { ProtocolName } from '../method.ts';

/** Says the representation, which is the protocol's to say and not the handler's. */
const REPRESENTATION: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'grpc-encoding',
  'connect-content-encoding',
]);

/** Fields of a head: the protocol's, then what the handler has set. */
export function toHeadFields(own: Fields, headers: Headers | undefined): string[] {
  const fields = [...own];
  headers?.forEach((value, name) => {
    if (!REPRESENTATION.has(name)) fields.push(name, value);
  });
  return fields;
}

/** What the handler has set, without the status that connect-node shows in there. */
export function toTrailerFields(trailers: Headers | undefined): string[] {
  const fields: string[] = [];
  trailers?.forEach((value, name) => {
    if (!name.startsWith('grpc-status') && name !== 'grpc-message') fields.push(name, value);
  });
  return fields;
}

/** The response headers that a handler finds there at its start, as connect-node fills them in. */
export function createResponseHeader(protocol: ProtocolName, facts: ResponseFacts): Headers {
  const { codec, isUnary, encoding } = facts;
  const headers = new Headers();
  if (protocol !== 'connect') {
    headers.set('content-type', `application/${protocol}+${codec}`);
    if (encoding !== undefined) headers.set('grpc-encoding', encoding);
  } else if (isUnary) {
    headers.set('content-type', `application/${codec}`);
  } else {
    headers.set('content-type', `application/connect+${codec}`);
    if (encoding !== undefined) headers.set('connect-content-encoding', encoding);
  }
  return headers;
}

interface ResponseFacts {
  readonly codec: 'proto' | 'json';
  readonly isUnary: boolean;
  /** What larger messages of the answer are compressed with. */
  readonly encoding: string | undefined;
}

/** The trailers that a handler finds there at its start. */
export function createResponseTrailer(protocol: ProtocolName): Headers {
  return new Headers(protocol === 'connect' ? {} : { 'grpc-status': '0' });
}
