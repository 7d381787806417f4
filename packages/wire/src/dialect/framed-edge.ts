import type { Body, CallError, Code, RequestHead } from '@bascule/core';
import { noteRequest, type Edge, type EdgeContext } from './edge.ts';
import type { StreamFormat } from './format.ts';
import { FramedRequest, type FramedRequestOptions } from './framed-request.ts';
import { FramedResponse } from './framed-response.ts';
import { isRefusal, type InnerRequest } from './inner-request.ts';
import { refuse } from './refusal.ts';

/** What tells a framed dialect from the others. */
export interface FramedDialect {
  toInnerRequest(head: RequestHead, format: StreamFormat): InnerRequest | CallError;
  /** Code for a body that stops inside of a message. */
  readonly truncatedCode: Code;
  /** Reads the body of a call. Default: frames as they come. */
  readBody?(inner: Body, format: StreamFormat, options: FramedRequestOptions): Body;
}

/** Calls whose bodies are framed messages in both directions: gRPC, gRPC-Web, Connect's streams. */
export function createFramedEdge(
  { next, clock, maxFramedBytes }: EdgeContext,
  dialect: FramedDialect,
): Edge<StreamFormat> {
  const { truncatedCode } = dialect;
  return (head, reply, format) => {
    const request = dialect.toInnerRequest(head, format);
    if (isRefusal(request)) return refuse(reply, head.call, format, request);
    noteRequest(head, clock, request.timeoutMs);
    const response = new FramedResponse(reply, format, head.call);
    const inner = next(request.head, response);
    response.connect(inner);
    const { compressible } = request;
    const options = { response, maxMessageBytes: maxFramedBytes, compressible, truncatedCode };
    return dialect.readBody?.(inner, format, options) ?? new FramedRequest(inner, options);
  };
}
