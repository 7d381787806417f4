import type { Service } from '@bascule/core';
import type { HandlerCall } from './call/handler-call.ts';
import { ServerStreamCall } from './call/server-stream-call.ts';
import type { CallStart } from './call/start.ts';
import { StreamCall } from './call/stream-call.ts';
import { UnaryCall } from './call/unary-call.ts';
import type { KitParts, Method } from './method.ts';
import { answerUnknownPath } from './unknown-path.ts';

/** Answers calls in the inner dialect. */
export function createInnerService(methods: ReadonlyMap<string, Method>, parts: KitParts): Service {
  return (head, reply) => {
    const method = methods.get(head.path);
    if (method === undefined) return answerUnknownPath(head, reply);
    const call = createCall({ method, parts, head, reply });
    call.begin();
    return call;
  };
}

function createCall(start: CallStart): HandlerCall {
  const { kind } = start.method.spec;
  if (kind === 'unary') return new UnaryCall(start);
  // Interceptors of streams are entered at the head, and see the request as a stream.
  const isSimple = kind === 'server_streaming' && start.method.interceptors.length === 0;
  return isSimple ? new ServerStreamCall(start) : new StreamCall(start);
}
