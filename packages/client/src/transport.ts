import { create } from '@bufbuild/protobuf';
import { ConnectError, type StreamResponse, type Transport, type UnaryResponse } from '@connectrpc/connect';
import { createBackend } from './backend.ts';
import { Caller, type CallWish } from './caller.ts';
import { createInterception } from './interception.ts';
import { createPlans } from './method-plan.ts';
import type { NodeTransport, NodeTransportOptions } from './options.ts';
import { toSettings } from './settings.ts';
import { parseTarget } from './target.ts';

/**
 * A Connect transport over connections of our own: the same calls with the same results as the transports of
 * connect-node, at a part of the cost, and without losing calls when a server closes its connections in an orderly
 * way. Opens a connection with the first call; {@link NodeTransport.close} ends it. Throws ConnectError when an option
 * is out of its range.
 */
export function createNodeTransport(options: NodeTransportOptions): NodeTransport {
  const settings = toSettings(options);
  const target = parseTarget(settings.baseUrl);
  const backend = createBackend(options, settings, target);
  const planOf = createPlans(settings);
  const caller = new Caller(settings, target, backend);
  const interception = settings.interceptors.length === 0 ? undefined : createInterception(settings, caller);

  function deadlineOf(timeoutMs: number | undefined): number | undefined {
    const chosenMs = timeoutMs ?? settings.defaultTimeoutMs;
    return chosenMs === undefined || chosenMs <= 0 ? undefined : settings.clock.nowMs() + chosenMs;
  }

  function wishOf(...[method, signal, timeoutMs, header]: Parameters<Transport['unary' | 'stream']>): CallWish {
    return { plan: planOf(method), header, signal, deadlineMs: deadlineOf(timeoutMs) };
  }

  function unary(...call: Parameters<Transport['unary']>): Promise<UnaryResponse> {
    const [method, , , , input, contextValues] = call;
    try {
      const message = create(method.input, input);
      if (interception === undefined) return caller.unary(method, wishOf(...call), message);
      return interception.unary(method, wishOf(...call), message, contextValues);
    } catch (thrown) {
      return Promise.reject(ConnectError.from(thrown));
    }
  }

  function stream(...call: Parameters<Transport['stream']>): Promise<StreamResponse> {
    const [method, , , , input, contextValues] = call;
    try {
      if (interception === undefined) return caller.stream(method, wishOf(...call), input);
      return interception.stream(method, wishOf(...call), input, contextValues);
    } catch (thrown) {
      return Promise.reject(ConnectError.from(thrown));
    }
  }

  // What comes back is of the method's own types, since its descriptor has read it.
  return {
    unary: unary as Transport['unary'],
    stream: stream as Transport['stream'],
    close: () => backend.close(),
  };
}
