import { Code } from '@bascule/core';
import type { Edge, EdgeContext } from '../edge.ts';
import type { StreamFormat } from '../format.ts';
import { createFramedEdge } from '../framed-edge.ts';
import { toInnerRequest } from './request.ts';

/** gRPC as it comes: messages pass, limits and metadata are checked. */
export function createGrpcEdge(context: EdgeContext): Edge<StreamFormat> {
  return createFramedEdge(context, { toInnerRequest, truncatedCode: Code.internal });
}
