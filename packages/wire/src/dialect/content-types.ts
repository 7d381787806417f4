import type { Body, Reply, RequestHead } from '@bascule/core';
import { createConnectStreamEdge, createConnectUnaryEdge } from './connect/edge.ts';
import { CONNECT_STREAM_FORMATS, CONNECT_UNARY_FORMATS } from './connect/content-type.ts';
import type { Edge, EdgeContext } from './edge.ts';
import type { Format } from './format.ts';
import { GRPC_FORMATS } from './grpc/content-type.ts';
import { createGrpcEdge } from './grpc/edge.ts';
import { GRPC_WEB_FORMATS } from './grpc-web/content-type.ts';
import { createGrpcWebEdge } from './grpc-web/edge.ts';

/** A content type that is understood, and how its calls start. */
export interface Way {
  readonly format: Format;
  start(head: RequestHead, reply: Reply): Body;
}

/** What a content type says: a way, a kind of RPC that is not understood with the format to say so in, or not RPC. */
export type ContentType = { readonly way: Way } | { readonly unknownLike: Format } | 'not-rpc';

/** More spellings than these are not remembered: a caller could grow the memory with parameters. */
const MAX_REMEMBERED = 256;

/** Makes the reader of content types. */
export function createContentTypes(context: EdgeContext): (value: string) => ContentType {
  const ways = createWays(context);
  const remembered = new Map<string, ContentType>();
  return (value) => {
    const known = remembered.get(value);
    if (known !== undefined) return known;
    const read = readContentType(value, ways);
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    if (value.length <= 128) remembered.set(value, read);
    return read;
  };
}

function readContentType(value: string, ways: ReadonlyMap<string, Way>): ContentType {
  const semicolon = value.indexOf(';');
  const mediaType = (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
  const way = ways.get(mediaType);
  if (way !== undefined) return { way };
  // The longest first: each is a prefix of the one before.
  for (const prefix of ['application/grpc-web-text', 'application/grpc-web', 'application/grpc']) {
    if (mediaType.startsWith(prefix)) return { unknownLike: (ways.get(prefix) as Way).format };
  }
  if (!mediaType.startsWith('application/connect+')) return 'not-rpc';
  // Said as a unary error: what the stream's codec is remains unknown.
  return { unknownLike: (ways.get('application/json') as Way).format };
}

function createWays(context: EdgeContext): Map<string, Way> {
  const ways = new Map<string, Way>();
  addWays(ways, GRPC_FORMATS, createGrpcEdge(context));
  addWays(ways, GRPC_WEB_FORMATS, createGrpcWebEdge(context));
  addWays(ways, CONNECT_STREAM_FORMATS, createConnectStreamEdge(context));
  addWays(ways, CONNECT_UNARY_FORMATS, createConnectUnaryEdge(context));
  return ways;
}

function addWays<F extends Format>(ways: Map<string, Way>, formats: ReadonlyMap<string, F>, edge: Edge<F>): void {
  for (const [type, format] of formats) {
    ways.set(type, { format, start: (head, reply) => edge(head, reply, format) });
  }
}
