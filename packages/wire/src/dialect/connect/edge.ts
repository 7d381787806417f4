import { callError, Code, type Body, type Reply, type RequestHead } from '@bascule/core';
import { noteRequest, type Edge, type EdgeContext } from '../edge.ts';
import { requestFault } from '../faults.ts';
import type { StreamFormat } from '../format.ts';
import { createFramedEdge } from '../framed-edge.ts';
import { isRefusal, type InnerRequest } from '../inner-request.ts';
import { refuse } from '../refusal.ts';
import { CONNECT_UNARY_FORMATS } from './content-type.ts';
import { parseGetQuery } from './query.ts';
import { toGetRequest, toStreamRequest, toUnaryRequest } from './request.ts';
import { createConnectUnaryFormat, type ConnectUnaryFormat } from './response.ts';
import { KeptRequest, PassedRequest, QueryRequest, type UnaryRequestOptions } from './unary-request.ts';
import { UnaryResponse, type RoomTaker } from './unary-response.ts';

/** Longer ones end up in logs and caches that were not made for messages. */
const MAX_GET_PATH_CHARS = 8_192;

/** How errors are said before the caller's codec is known: they are JSON in any. */
export const ANY_UNARY_FORMAT: ConnectUnaryFormat = createConnectUnaryFormat('json');

/** Connect streams. */
export function createConnectStreamEdge(context: EdgeContext): Edge<StreamFormat> {
  return createFramedEdge(context, { toInnerRequest: toStreamRequest, truncatedCode: Code.invalidArgument });
}

/** Connect unary by POST. */
export function createConnectUnaryEdge(context: EdgeContext): Edge<ConnectUnaryFormat> {
  const { maxMessageBytes } = context;
  return (head, reply, format) => {
    const request = toUnaryRequest(head, format);
    if (isRefusal(request)) return refuse(reply, head.call, format, request);
    const { length } = request;
    if (length !== undefined && length > maxMessageBytes) {
      return refuse(reply, head.call, format, requestFault('too-large', maxMessageBytes));
    }
    return startUnary(context, { reply, request, format }, (inner, options) =>
      length === undefined
        ? new KeptRequest(inner, maxMessageBytes, options)
        : new PassedRequest(inner, length, options),
    );
  };
}

/** Connect unary by GET, of a path where that is allowed. */
export function createConnectGetEdge(context: EdgeContext): (head: RequestHead, reply: Reply) => Body {
  const { maxMessageBytes } = context;
  return (head, reply) => {
    if (head.path.length > MAX_GET_PATH_CHARS) {
      const error = callError(Code.resourceExhausted, 'the path is longer than 8 KiB; call by POST', 'never-sent');
      return refuse(reply, head.call, ANY_UNARY_FORMAT, error, { status: 414, fields: [] });
    }
    const query = parseGetQuery(head.path);
    if (isRefusal(query)) return refuse(reply, head.call, ANY_UNARY_FORMAT, query);
    const format = CONNECT_UNARY_FORMATS.get(`application/${query.encoding}`);
    if (format === undefined) {
      const error = callError(
        Code.unknown,
        `encoding ${JSON.stringify(query.encoding)} is not known; send proto or json`,
      );
      return refuse(reply, head.call, ANY_UNARY_FORMAT, error, { status: 415, fields: [] });
    }
    if (query.message.length > maxMessageBytes) {
      return refuse(reply, head.call, format, requestFault('too-large', maxMessageBytes));
    }
    const request = toGetRequest(head, format, query.compression);
    if (isRefusal(request)) return refuse(reply, head.call, format, request);
    return startUnary(
      context,
      { reply, request, format },
      (inner, options) => new QueryRequest(inner, query.message, options),
    );
  };
}

interface UnaryStart {
  readonly reply: Reply;
  readonly request: InnerRequest;
  readonly format: ConnectUnaryFormat;
}

function startUnary(
  { next, clock, maxAnswerBytes }: EdgeContext,
  { reply, request, format }: UnaryStart,
  createRequest: (inner: Body, options: UnaryRequestOptions) => Body & RoomTaker,
): Body {
  const { head, timeoutMs, compressible } = request;
  noteRequest(head, clock, timeoutMs);
  const response = new UnaryResponse(reply, { format, call: head.call, maxMessageBytes: maxAnswerBytes });
  const inner = next(head, response);
  const body = createRequest(inner, { response, compressed: compressible });
  response.connect(inner, body);
  return body;
}
