import type { Fields, RequestHead, Service } from '@bascule/core';
import { HOP_FIELDS } from '../../hop-fields.ts';
import type { AnswerFormat } from '../upstream-format.ts';
import { UpstreamReply } from '../upstream-reply.ts';
import { FLAG_TRAILERS } from './trailer-frame.ts';
import { parseTrailerBlock } from './upstream-trailers.ts';

const INNER_PREFIX_CHARS = 'application/grpc'.length;

const FORMAT: AnswerFormat = {
  contentType: 'application/grpc-web',
  bareCodec: 'proto',
  encodingField: 'grpc-encoding',
  endFlag: FLAG_TRAILERS,
  trailersOnly: true,
  toInnerFields,
  readEnd: parseTrailerBlock,
};

/**
 * Speaks gRPC-Web to a backend, in bytes. `next` is a link to the backend over either version of HTTP. Messages pass as
 * they are; the frame of trailers becomes trailers.
 */
export function createGrpcWebUpstream(next: Service): Service {
  return (head, reply) => {
    const upstream = new UpstreamReply(reply, FORMAT, head);
    const body = next(toWebHead(head), upstream);
    upstream.connect(body);
    return body;
  };
}

function toWebHead(head: RequestHead): RequestHead {
  const fields: string[] = [];
  let contentType = FORMAT.contentType;
  for (let i = 0; i < head.fields.length; i += 2) {
    const name = head.fields[i] as string;
    const value = head.fields[i + 1] as string;
    if (name === 'content-type') contentType += value.slice(INNER_PREFIX_CHARS);
    else if (!HOP_FIELDS.has(name)) fields.push(name, value);
  }
  fields.unshift('content-type', contentType, 'x-grpc-web', '1');
  return { ...head, fields };
}

function toInnerFields(fields: Fields, innerType: string): string[] {
  const inner = ['content-type', innerType];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name !== 'content-type' && !HOP_FIELDS.has(name)) inner.push(name, fields[i + 1] as string);
  }
  return inner;
}
