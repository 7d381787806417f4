import { create, type Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';
import { anyPack, type Any } from '@bufbuild/protobuf/wkt';
import type { HandlerContext } from '@connectrpc/connect';
import type { Header, RequestInfo } from '../messages.ts';
import type { Stubs } from '../stubs.ts';

/** What a handler has seen of its request, to be sent back. */
export function toRequestInfo(stubs: Stubs, context: HandlerContext, requests: readonly Any[]): RequestInfo {
  const timeoutMs = context.timeoutMs();
  const query = context.requestMethod === 'GET' ? new URL(context.url).searchParams : undefined;
  return create(stubs.message('RequestInfo'), {
    requestHeaders: toHeaders(stubs, context.requestHeader),
    requests: [...requests],
    ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(Math.max(0, Math.round(timeoutMs))) }),
    ...(query === undefined ? {} : { connectGetInfo: { queryParams: toHeaders(stubs, query) } }),
  });
}

/** A request as an `Any`. */
export function packRequest<T extends Message>(schema: GenMessage<T>, request: T): Any {
  return anyPack(schema, request);
}

/** Puts headers that a request asks for among those of the answer. */
export function addHeaders(headers: readonly Header[] | undefined, target: Headers): void {
  for (const { name, value } of headers ?? []) {
    for (const one of value) target.append(name, one);
  }
}

function toHeaders(stubs: Stubs, pairs: Iterable<[string, string]>): Header[] {
  const headers = new Map<string, Header>();
  for (const [name, value] of pairs) {
    const known = headers.get(name);
    if (known === undefined) headers.set(name, create(stubs.message('Header'), { name, value: [value] }));
    else known.value.push(value);
  }
  return [...headers.values()];
}
