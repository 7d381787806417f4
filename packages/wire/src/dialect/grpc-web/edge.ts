import { Code } from '@bascule/core';
import type { Edge, EdgeContext } from '../edge.ts';
import type { StreamFormat } from '../format.ts';
import { createFramedEdge } from '../framed-edge.ts';
import { FramedRequest } from '../framed-request.ts';
import { toInnerRequest } from '../grpc/request.ts';
import { TextRequest } from './request.ts';

/** gRPC-Web, binary and text. */
export function createGrpcWebEdge(context: EdgeContext): Edge<StreamFormat> {
  return createFramedEdge(context, {
    toInnerRequest,
    truncatedCode: Code.internal,
    readBody: (inner, { text }, options) =>
      text ? new TextRequest(inner, options) : new FramedRequest(inner, options),
  });
}
