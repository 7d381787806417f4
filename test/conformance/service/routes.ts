import { setTimeout } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter, HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type {
  ConformanceService,
  BidiStreamRequest,
  BidiStreamResponse,
  ConformancePayload,
  RequestInfo,
  UnaryResponseDefinition,
} from '../messages.ts';
import type { Stubs } from '../stubs.ts';
import { toFailure } from './failure.ts';
import { addHeaders, packRequest, toRequestInfo } from './request-info.ts';

/** The suite's service: each request says how it is to be answered, and is sent back as the handler saw it. */
export function createRoutes(stubs: Stubs): (router: ConnectRouter) => void {
  const payloadOf = (data: Uint8Array | undefined, requestInfo: RequestInfo | undefined): ConformancePayload =>
    create(stubs.message('ConformancePayload'), {
      ...(data === undefined ? {} : { data }),
      ...(requestInfo === undefined ? {} : { requestInfo }),
    });

  /** One answer, to `requests`. */
  async function answerOnce(
    definition: UnaryResponseDefinition | undefined,
    requests: readonly Any[],
    context: HandlerContext,
  ): Promise<ConformancePayload> {
    const info = toRequestInfo(stubs, context, requests);
    addHeaders(definition?.responseHeaders, context.responseHeader);
    addHeaders(definition?.responseTrailers, context.responseTrailer);
    if (definition !== undefined && definition.responseDelayMs > 0) await setTimeout(definition.responseDelayMs);
    const response = definition?.response;
    if (response?.case === 'error') throw toFailure(stubs, response.value, info);
    return payloadOf(response?.value, info);
  }

  return (router) => {
    const implementation: Partial<ServiceImpl<ConformanceService>> = {
      async unary(request, context) {
        const requests = [packRequest(stubs.message('UnaryRequest'), request)];
        return { payload: await answerOnce(request.responseDefinition, requests, context) };
      },

      async idempotentUnary(request, context) {
        const requests = [packRequest(stubs.message('IdempotentUnaryRequest'), request)];
        return { payload: await answerOnce(request.responseDefinition, requests, context) };
      },

      async clientStream(incoming, context) {
        const requests: Any[] = [];
        let definition: UnaryResponseDefinition | undefined;
        for await (const request of incoming) {
          if (requests.length === 0) definition = request.responseDefinition;
          requests.push(packRequest(stubs.message('ClientStreamRequest'), request));
        }
        return { payload: await answerOnce(definition, requests, context) };
      },

      async *serverStream(request, context) {
        const definition = request.responseDefinition;
        if (definition === undefined) return;
        addHeaders(definition.responseHeaders, context.responseHeader);
        addHeaders(definition.responseTrailers, context.responseTrailer);
        let info: RequestInfo | undefined = toRequestInfo(stubs, context, [
          packRequest(stubs.message('ServerStreamRequest'), request),
        ]);
        for (const data of definition.responseData) {
          await setTimeout(definition.responseDelayMs);
          yield { payload: payloadOf(data, info) };
          info = undefined;
        }
        if (definition.error !== undefined) throw toFailure(stubs, definition.error, info);
      },

      bidiStream: (incoming, context) => answerMany(incoming, context),
    };
    // Requests come back inside of Any, which JSON can write only with their types at hand.
    router.service(stubs.service, implementation, { jsonOptions: { registry: stubs.registry } });
  };

  async function* answerMany(
    incoming: AsyncIterable<BidiStreamRequest>,
    context: HandlerContext,
  ): AsyncGenerator<Pick<BidiStreamResponse, 'payload'>> {
    let first: BidiStreamRequest | undefined;
    let requests: Any[] = [];
    let answers = 0;
    for await (const request of incoming) {
      if (first === undefined) {
        first = request;
        addHeaders(first.responseDefinition?.responseHeaders, context.responseHeader);
        addHeaders(first.responseDefinition?.responseTrailers, context.responseTrailer);
      }
      requests.push(packRequest(stubs.message('BidiStreamRequest'), request));
      if (!first.fullDuplex) continue;
      const data = first.responseDefinition?.responseData[answers];
      if (data === undefined) break;
      await setTimeout(first.responseDefinition?.responseDelayMs ?? 0);
      yield { payload: payloadOf(data, infoOf(answers++, requests, context)) };
      requests = [];
    }
    const definition = first?.responseDefinition;
    if (definition === undefined) return;
    for (; answers < definition.responseData.length; answers++) {
      await setTimeout(definition.responseDelayMs);
      yield {
        payload: payloadOf(definition.responseData[answers], answers === 0 ? infoOf(0, requests, context) : undefined),
      };
    }
    if (definition.error === undefined) return;
    throw toFailure(stubs, definition.error, answers === 0 ? infoOf(0, requests, context) : undefined);
  }

  /** All there is to say in the first answer; afterwards what came since. */
  function infoOf(answer: number, requests: Any[], context: HandlerContext): RequestInfo {
    return answer === 0 ? toRequestInfo(stubs, context, requests) : create(stubs.message('RequestInfo'), { requests });
  }
}
