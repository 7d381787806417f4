import type { Fields, RequestHead, Service } from '@bascule/core';
import { HOP_FIELDS } from '../../hop-fields.ts';
import type { AnswerFormat } from '../upstream-format.ts';
import { UpstreamReply } from '../upstream-reply.ts';
import { FLAG_END_STREAM } from './end-stream.ts';
import { parseEndStream } from './upstream-error.ts';
import { toStreamHead } from './upstream-request.ts';
import { UnaryAnswer } from './upstream-unary-answer.ts';
import { UnaryUpstreamRequest } from './upstream-unary-request.ts';

export interface ConnectUpstreamOptions {
  /** Largest answer to a unary call, which is kept whole. Bytes, at least 1. Default 4 MiB; beyond: `resource_exhausted`. */
  readonly maxMessageBytes?: number;
  /**
   * Whether a unary call whose method has no side effects should be sent as a GET, so that caches can answer it. Paths
   * above 8 KiB go as a POST. Default: never.
   */
  get?(head: RequestHead): boolean;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4_194_304;

const STREAM_FORMAT: AnswerFormat = {
  contentType: 'application/connect',
  bareCodec: undefined,
  encodingField: 'connect-content-encoding',
  endFlag: FLAG_END_STREAM,
  trailersOnly: false,
  toInnerFields: toInnerStreamFields,
  readEnd: parseEndStream,
};

/**
 * Speaks Connect to a backend. `next` is a link to the backend over either version of HTTP. What a call is comes from
 * `call.method`: unary calls go as bare messages, all others, the unknown ones too, as streams.
 */
export function createConnectUpstream(next: Service, options: ConnectUpstreamOptions = {}): Service {
  const maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  return (head, reply) => {
    const { method } = head.call;
    if (method?.kind !== 'unary') {
      const upstream = new UpstreamReply(reply, STREAM_FORMAT, head);
      const body = next(toStreamHead(head), upstream);
      upstream.connect(body);
      return body;
    }
    const get = method.idempotency === 'no_side_effects' && (options.get?.(head) ?? false);
    const answer = new UnaryAnswer(reply, head, maxMessageBytes);
    return new UnaryUpstreamRequest({ next, head, answer, get });
  };
}

function toInnerStreamFields(fields: Fields, innerType: string): string[] {
  const inner = ['content-type', innerType];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name === 'connect-content-encoding') inner.push('grpc-encoding', value);
    else if (name === 'connect-accept-encoding') inner.push('grpc-accept-encoding', value);
    else if (name !== 'content-type' && name !== 'content-encoding' && !HOP_FIELDS.has(name)) inner.push(name, value);
  }
  return inner;
}
