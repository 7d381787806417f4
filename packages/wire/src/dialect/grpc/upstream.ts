import type { Service } from '@bascule/core';
import type { AnswerFormat } from '../upstream-format.ts';
import { UpstreamReply } from '../upstream-reply.ts';

const FORMAT: AnswerFormat = {
  contentType: 'application/grpc',
  bareCodec: 'proto',
  encodingField: 'grpc-encoding',
  endFlag: 0,
  trailersOnly: true,
  toInnerFields: (fields) => fields,
  readEnd: () => undefined,
};

/**
 * Speaks gRPC to a backend: requests pass as they are, answers are judged. `next` is the link to the backend. Whether
 * an answer may have one message or many is taken from `call.method`; unknown methods may have many.
 */
export function createGrpcUpstream(next: Service): Service {
  return (head, reply) => {
    const upstream = new UpstreamReply(reply, FORMAT, head);
    const body = next(head, upstream);
    upstream.connect(body);
    return body;
  };
}
