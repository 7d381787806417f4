import {
  callError,
  Code,
  getField,
  type Body,
  type Clock,
  type Layer,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { ANY_UNARY_FORMAT, createConnectGetEdge } from './connect/edge.ts';
import { createContentTypes } from './content-types.ts';
import { createCors, type CorsOptions } from './cors/cors.ts';
import { detect, isMethodPath, type Detected } from './detect.ts';
import type { Format } from './format.ts';
import { pathOf } from './inner-request.ts';
import { PLAIN_FORMAT } from './plain.ts';
import { refuse } from './refusal.ts';

export interface DialectOptions {
  /** Largest message taken from a caller. Bytes, at least 1. */
  readonly maxMessageBytes: number;
  /**
   * Largest message of a caller whose messages are passed on piece by piece, not kept. Default `maxMessageBytes`;
   * Infinity where the callee judges by itself.
   */
  readonly maxFramedBytes?: number;
  /** Largest answer kept for a caller that needs it whole, as Connect's unary calls do. Default `maxMessageBytes`. */
  readonly maxAnswerBytes?: number;
  /** Gets what is not RPC, as it came. */
  readonly other: Service;
  readonly clock: Clock;
  /** Whether a method may be called by Connect's GET: only methods without side effects should. Default: none. */
  allowGet?(path: string): boolean;
  /** Pages of which other origins may call. Undefined: none. */
  readonly cors?: CorsOptions | undefined;
}

/**
 * Translates gRPC, gRPC-Web and Connect to the inner dialect, without decoding messages. `next` gets calls in the inner
 * dialect only; the caller gets HTTP answers only: a head always comes first, and failures are said in its dialect.
 */
export function createDialectLayer(options: DialectOptions): Layer {
  const { other, clock, maxMessageBytes, maxFramedBytes = maxMessageBytes, maxAnswerBytes = maxMessageBytes } = options;
  const cors = options.cors === undefined ? undefined : createCors(options.cors);
  const allowGet = (path: string): boolean => options.allowGet?.(path) ?? false;
  return (next) => {
    const context = { next, clock, maxMessageBytes, maxFramedBytes, maxAnswerBytes };
    const contentTypes = createContentTypes(context);
    const startGet = createConnectGetEdge(context);
    return (head, reply) => {
      const detected = detect(head, contentTypes, allowGet);
      if (detected.type === 'other') {
        const preflight = isMethodPath(head.path) ? cors?.answerPreflight(head, reply) : undefined;
        return preflight ?? other(head, reply);
      }
      // No browser reads heads of its frames: the origin was judged when the socket opened.
      const isFramed = head.call.dialect === 'websocket';
      const ours = cors === undefined || isFramed ? reply : cors.wrap(head, reply);
      if (detected.type === 'call') {
        if (!isFramed) head.call.dialect = detected.way.format.dialect;
        return detected.way.start(head, ours);
      }
      head.call.dialect = detected.type === 'get' ? 'connect' : (detected.format ?? ANY_UNARY_FORMAT).dialect;
      if (detected.type === 'get') return startGet(head, ours);
      return refuseRequest(head, ours, detected, allowGet(pathOf(head.path)));
    };
  };
}

type Wrong = Extract<Detected, { format: Format | undefined }>;

function refuseRequest(head: RequestHead, reply: Reply, wrong: Wrong, mayGet: boolean): Body {
  const format = wrong.format ?? (isForeign(head, wrong) ? PLAIN_FORMAT : ANY_UNARY_FORMAT);
  if (wrong.type === 'wrong-method') {
    const allow = mayGet ? 'POST, GET' : 'POST';
    const words =
      mayGet && head.method === 'GET' && wrong.format === undefined
        ? 'a call by GET says encoding and message in its query: ?connect=v1&encoding=json&message=%7B%7D'
        : `this method is called by ${allow}, not by ${head.method}`;
    const error = callError(Code.unknown, words, 'never-sent');
    return refuse(reply, head.call, format, error, { status: 405, fields: ['allow', allow] });
  }
  const accepted =
    'application/grpc, application/grpc-web, application/connect+proto, application/proto or application/json';
  const error = callError(Code.unknown, `the content type is not understood; send ${accepted}`, 'never-sent');
  return refuse(reply, head.call, format, error, {
    status: 415,
    fields: ['accept-post', accepted.replace(' or', ',')],
  });
}

/** A content type of none of the protocols, from a caller that does not say that it speaks Connect. */
function isForeign(head: RequestHead, wrong: Wrong): boolean {
  return wrong.type === 'wrong-content-type' && getField(head.fields, 'connect-protocol-version') === undefined;
}
