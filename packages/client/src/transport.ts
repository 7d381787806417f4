import { ambientCall } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import { ConnectError, type StreamResponse, type Transport, type UnaryResponse } from '@connectrpc/connect';
import { createBackend } from './backend.ts';
import { Caller, type CallWish } from './caller.ts';
import { createInterception } from './interception.ts';
import { createPlans, type MethodPlan } from './method-plan.ts';
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

  function wishOf(...[method, signal, timeoutMs, header]: Parameters<Transport['unary' | 'stream']>): CallWish {
    const plan = planOf(method);
    const outer = settings.inheritDeadline ? ambientCall() : undefined;
    return {
      plan,
      header,
      signal,
      deadlineMs: deadlineOf(plan, timeoutMs, outer?.deadlineMs),
      outer: outer?.signal,
    };
  }

  function deadlineOf(
    { policy, facts }: MethodPlan,
    timeoutMs: number | undefined,
    outerMs: number | undefined,
  ): number | undefined {
    const ofPolicyMs = facts.kind === 'unary' ? policy.defaultTimeoutMs : policy.defaultStreamTimeoutMs;
    const wishedMs = timeoutMs ?? ofPolicyMs ?? settings.defaultTimeoutMs ?? 0;
    if (wishedMs <= 0) return outerMs;
    const ownMs = settings.clock.nowMs() + Math.min(wishedMs, policy.maxTimeoutMs ?? Infinity);
    return outerMs === undefined ? ownMs : Math.min(ownMs, outerMs);
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
