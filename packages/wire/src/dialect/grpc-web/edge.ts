import { Code } from '@bascule/core';
import { noteRequest, type Edge, type EdgeContext } from '../edge.ts';
import type { StreamFormat } from '../format.ts';
import { FramedRequest } from '../framed-request.ts';
import { FramedResponse } from '../framed-response.ts';
import { toInnerRequest } from '../grpc/request.ts';
import { isRefusal } from '../inner-request.ts';
import { refuse } from '../refusal.ts';
import { TextRequest } from './request.ts';

/** gRPC-Web, binary and text. */
export function createGrpcWebEdge({ next, clock, maxFramedBytes }: EdgeContext): Edge<StreamFormat> {
  return (head, reply, format) => {
    const request = toInnerRequest(head, format);
    if (isRefusal(request)) return refuse(reply, head.call, format, request);
    noteRequest(head, clock, request.timeoutMs);
    const response = new FramedResponse(reply, format, head.call);
    const inner = next(request.head, response);
    response.connect(inner);
    const { compressible } = request;
    const options = { response, maxMessageBytes: maxFramedBytes, compressible, truncatedCode: Code.internal };
    return format.text ? new TextRequest(inner, options) : new FramedRequest(inner, options);
  };
}
