import type { DescMessage, DescMethodStreaming, DescMethodUnary, Message, MessageInitShape } from '@bufbuild/protobuf';
import {
  createContextValues,
  type ContextValues,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from '@connectrpc/connect';
import type { CallWish, Caller } from './caller.ts';
import { CallScope } from './call-scope.ts';
import { toMessages } from './messages.ts';
import { pathOf } from './method-plan.ts';
import { watchMessages } from './watched-messages.ts';
import type { TransportSettings } from './settings.ts';

type AnyFn = ReturnType<Interceptor>;

/** Makes calls through interceptors. */
export interface Interception {
  unary(
    method: DescMethodUnary,
    wish: CallWish,
    message: Message,
    contextValues: ContextValues | undefined,
  ): Promise<UnaryResponse>;
  stream(
    method: DescMethodStreaming,
    wish: CallWish,
    requests: AsyncIterable<MessageInitShape<DescMessage>>,
    contextValues: ContextValues | undefined,
  ): Promise<StreamResponse>;
}

/**
 * Interceptors see what connect-node's transports show them: Headers, a signal that fires at the end of the call, whole
 * messages. They may change all of it, and call `next` more than once.
 */
export function createInterception(settings: TransportSettings, caller: Caller): Interception {
  /** Built per call: an interceptor may keep the state of one call in between its two functions. */
  function chain(terminal: AnyFn): AnyFn {
    return settings.interceptors.reduceRight((next, interceptor) => interceptor(next), terminal);
  }

  function wishOf(wish: CallWish, request: UnaryRequest | StreamRequest): CallWish {
    const { plan, deadlineMs, outer } = wish;
    const { url, header, signal } = request;
    const path = url === plan.url ? plan.path : pathOf(url);
    return { plan, path, header, signal, deadlineMs, outer, signalKeepsDeadline: true };
  }

  function commonOf(method: DescMethodUnary | DescMethodStreaming, wish: CallWish, values: ContextValues | undefined) {
    return {
      service: method.parent,
      requestMethod: 'POST',
      url: wish.plan.url,
      header: new Headers(wish.header),
      contextValues: values ?? createContextValues(),
    };
  }

  return {
    async unary(method, wish, message, contextValues) {
      const scope = new CallScope(settings.clock, wish.signal, wish.deadlineMs);
      const terminal: AnyFn = async (request) => {
        const { method, message } = request as UnaryRequest;
        return await caller.unary(method, wishOf(wish, request), message);
      };
      try {
        const common = commonOf(method, wish, contextValues);
        const request: UnaryRequest = { ...common, stream: false, method, message, signal: scope.signal };
        const response = (await chain(terminal)(request)) as UnaryResponse;
        scope.end();
        return response;
      } catch (thrown) {
        throw scope.fail(thrown);
      }
    },
    async stream(method, wish, requests, contextValues) {
      const scope = new CallScope(settings.clock, wish.signal, wish.deadlineMs);
      const terminal: AnyFn = async (request) => {
        const { method, message } = request as StreamRequest;
        return await caller.stream(method, wishOf(wish, request), message);
      };
      try {
        const common = commonOf(method, wish, contextValues);
        const message = toMessages(method.input, requests);
        const request: StreamRequest = { ...common, stream: true, method, message, signal: scope.signal };
        const response = (await chain(terminal)(request)) as StreamResponse;
        return { ...response, message: watchMessages(response.message, scope) };
      } catch (thrown) {
        throw scope.fail(thrown);
      }
    },
  };
}
