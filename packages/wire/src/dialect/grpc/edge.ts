import { Code } from '@bascule/core';
import { noteRequest, type Edge, type EdgeContext } from '../edge.ts';
import type { StreamFormat } from '../format.ts';
import { FramedRequest } from '../framed-request.ts';
import { FramedResponse } from '../framed-response.ts';
import { isRefusal } from '../inner-request.ts';
import { refuse } from '../refusal.ts';
import { toInnerRequest } from './request.ts';

/** gRPC as it comes: messages pass, limits and metadata are checked. */
export function createGrpcEdge({ next, clock, maxFramedBytes }: EdgeContext): Edge<StreamFormat> {
  return (head, reply, format) => {
    const request = toInnerRequest(head, format);
    if (isRefusal(request)) return refuse(reply, head.call, format, request);
    noteRequest(head, clock, request.timeoutMs);
    const response = new FramedResponse(reply, format, head.call);
    const inner = next(request.head, response);
    response.connect(inner);
    const { compressible } = request;
    return new FramedRequest(inner, {
      response,
      maxMessageBytes: maxFramedBytes,
      compressible,
      truncatedCode: Code.internal,
    });
  };
}
