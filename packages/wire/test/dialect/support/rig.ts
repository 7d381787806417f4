import { createVirtualClock } from '@bascule/core';
import { createGrpcUpstream } from '../../../src/dialect/grpc/upstream.ts';
import { createDialectLayer, type DialectOptions } from '../../../src/dialect/layer.ts';
import { create, type MessageShape } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type HandlerContext,
} from '@connectrpc/connect';
import { createServiceClient } from './client.ts';
import { createHandlerService } from './handlers.ts';
import { watchLaw, type Violations } from './law.ts';
import { TestService } from './schema.ts';

type Text = MessageShape<typeof StringValueSchema>;

export const text = (value: string): Text => create(StringValueSchema, { value });

/** What the handlers do: echo, with metadata; `fail` fails with details. */
export function routes(router: ConnectRouter): void {
  router.service(TestService, {
    unary(request: Text, context: HandlerContext) {
      answerMetadata(context);
      if (request.value === 'fail') throw createError();
      return text(`${request.value}!`);
    },
    async *serverStream(request: Text, context: HandlerContext) {
      answerMetadata(context);
      const [count = '0', size = '0'] = request.value.split('x');
      for (let i = 0; i < Number(count); i++) yield text(`${i}`.padEnd(Number(size), '.'));
      if (request.value.endsWith('fail')) throw createError();
    },
    async clientStream(requests: AsyncIterable<Text>, context: HandlerContext) {
      answerMetadata(context);
      let joined = '';
      for await (const request of requests) joined += request.value;
      return text(joined);
    },
    async *bidi(requests: AsyncIterable<Text>, context: HandlerContext) {
      answerMetadata(context);
      for await (const request of requests) {
        if (request.value === 'fail') throw createError();
        yield text(`${request.value}!`);
      }
    },
  } as unknown as Parameters<typeof router.service>[1]);
}

function answerMetadata(context: HandlerContext): void {
  context.responseHeader.append('x-head', context.requestHeader.get('x-ask') ?? 'nothing');
  context.responseHeader.append('x-head', 'again');
  context.responseHeader.append('x-head-bin', context.requestHeader.get('x-ask-bin') ?? '');
  context.responseTrailer.append('x-tail', 'one');
  context.responseTrailer.append('x-tail', 'two');
  context.responseTrailer.append('x-tail-bin', 'AP8Q');
}

function createError(): ConnectError {
  return new ConnectError('no grüße % left', Code.FailedPrecondition, { 'x-error': 'why' }, [
    { desc: StringValueSchema, value: { value: 'a detail' } },
  ]);
}

/** Official handlers behind the dialect layer, watched on both hops, with a client before it. */
export function createRig(handlerOptions: ConnectRouterOptions = {}, options: Partial<DialectOptions> = {}) {
  const violations: Violations = [];
  const clock = createVirtualClock(1, 1000);
  const handlers = createHandlerService(routes, handlerOptions);
  const layer = createDialectLayer({
    maxMessageBytes: 4_194_304,
    clock,
    allowGet: (path) => path === '/test.v1.TestService/Unary',
    other(_head, reply) {
      queueMicrotask(() => {
        reply.head({ status: 404, fields: [] });
        reply.end([]);
      });
      return { write() {}, end() {}, cancel() {}, grant() {} };
    },
    ...options,
  });
  const inner = watchLaw('inner', createGrpcUpstream(handlers.service), violations);
  const service = watchLaw('outer', layer(inner), violations);
  return { clock, violations, heads: handlers.heads, service, httpClient: createServiceClient(service) };
}
