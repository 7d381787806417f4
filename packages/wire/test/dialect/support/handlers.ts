import { INITIAL_CREDIT_BYTES, type Fields, type Reply, type RequestHead, type Service } from '@bascule/core';
import { createConnectRouter, type ConnectRouter, type ConnectRouterOptions } from '@connectrpc/connect';
import type { UniversalHandler } from '@connectrpc/connect/protocol';
import { createBytePipe, createCredit, type Credit } from './pipe.ts';

/** A service in the inner dialect that stands on the official gRPC handlers, and keeps every head it got. */
export interface HandlerService {
  readonly service: Service;
  readonly heads: RequestHead[];
}

export function createHandlerService(
  routes: (router: ConnectRouter) => void,
  options: ConnectRouterOptions = {},
): HandlerService {
  const router = createConnectRouter({ ...options, grpc: true, grpcWeb: false, connect: false });
  routes(router);
  const byPath = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const heads: RequestHead[] = [];
  return {
    heads,
    service(head, reply) {
      heads.push(head);
      const handler = byPath.get(head.path);
      if (handler === undefined) {
        queueMicrotask(() => reply.end(['grpc-status', '12']));
        return { write() {}, end() {}, cancel() {}, grant() {} };
      }
      return startHandler(handler, head, reply);
    },
  };
}

function startHandler(handler: UniversalHandler, head: RequestHead, reply: Reply): ReturnType<Service> {
  const abort = new AbortController();
  const credit = createCredit(INITIAL_CREDIT_BYTES);
  let over = false;
  const request = createBytePipe((bytes) => {
    if (!over) reply.grant(bytes);
  });
  const answer = async (): Promise<void> => {
    const response = await handler({
      httpVersion: '2.0',
      url: `http://inner${head.path}`,
      method: head.method,
      header: toHeaders(head.fields),
      body: request,
      signal: abort.signal,
    });
    if (abort.signal.aborted) return;
    reply.head({ status: response.status, fields: toFields(response.header) });
    for await (const chunk of response.body ?? []) await writeWithin(credit, chunk, reply);
    if (abort.signal.aborted) return;
    over = true;
    reply.end(toFields(response.trailer));
  };
  answer().catch(() => {
    if (!abort.signal.aborted) reply.fail({ code: 13, message: 'the handler failed', processed: 'maybe' });
  });
  return {
    write: (bytes) => request.push(bytes),
    end: () => request.end(),
    grant: (bytes) => credit.grant(bytes),
    cancel() {
      over = true;
      abort.abort(new Error('cancelled'));
      request.fail(new Error('cancelled'));
    },
  };
}

async function writeWithin(credit: Credit, chunk: Uint8Array, reply: Reply): Promise<void> {
  for (let at = 0; at < chunk.length;) {
    const taken = await credit.take(chunk.length - at);
    reply.write(chunk.subarray(at, at + taken));
    at += taken;
  }
}

export function toHeaders(fields: Fields): Headers {
  const headers = new Headers();
  for (let i = 0; i < fields.length; i += 2) headers.append(fields[i] as string, fields[i + 1] as string);
  return headers;
}

export function toFields(headers: Headers | undefined): string[] {
  const fields: string[] = [];
  headers?.forEach((value, name) => fields.push(name, value));
  return fields;
}
