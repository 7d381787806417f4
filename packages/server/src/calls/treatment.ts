import { compose, type Clock, type Layer, type RequestHead, type ServiceLimits } from '@bascule/core';
import {
  createAdmissionLayer,
  createAdmitLayer,
  createCacheLayer,
  createConcurrencyLayer,
  createDeadlineLayer,
  createFaultLayer,
  createFirstMessageLayer,
  createIdentifyLayer,
  createLocalLimits,
  createMessageLimitLayer,
  createRateLimitLayer,
  createUploadLayer,
  unaryUploadFloor,
} from '@bascule/layers';
import type { DescMethod } from '@bufbuild/protobuf';
import type { RefusedCall, ServeCalls, ServerCallLimits } from './options.ts';
import { mayBeKept, Scopes, type MethodPlan } from './scopes.ts';

/** What a server does to its calls before they reach their handlers. */
export interface Treatment {
  /** Asked once for each method; undefined where its calls are not treated in any way. */
  layerOf(method: DescMethod): Layer | undefined;
  /** Once every method has been asked for. Throws an Error for options that are wrong, with their paths. */
  validate(): void;
}

/** Not even a token: load balancers and kubelets have none. */
const HEALTH = 'grpc.health.v1.Health';
const NO_TIMEOUTS = { defaultTimeoutMs: 0, maxTimeoutMs: 0 };

/**
 * The gateway's layers in the gateway's order. Each is made once, as it keeps its state by names; a method gets those
 * alone that its policy has a use for.
 */
export function createTreatment(calls: ServeCalls, clock: Clock): Treatment {
  const scopes = new Scopes(calls);
  const refused = ({ call }: RequestHead, by: RefusedCall['by'], name: string): void => {
    const { service = '', method = '' } = call.method ?? {};
    calls.onRefused?.({ service, method, by, name });
  };
  const identify = calls.identify && createIdentifyLayer({ clock, ...calls.identify });
  const fault = createFaultLayer({ clock });
  const firstMessage = createFirstMessageLayer({ clock });
  const rateLimit = createRateLimitLayer({
    clock,
    local: createLocalLimits({ clock }),
    ...(calls.sharedLimits && { shared: calls.sharedLimits }),
    onLimited: (head, { name }) => refused(head, 'rate-limit', name),
  });
  const deadline = createDeadlineLayer({ clock, defaults: NO_TIMEOUTS });
  const deadlineOfKit = createDeadlineLayer({ clock, defaults: NO_TIMEOUTS, isKeptInside: true });
  const messageLimit = createMessageLimitLayer();
  const cache = createCacheLayer({ clock });
  const admission = createAdmissionLayer({ clock, onRefused: (head, { name }) => refused(head, 'admission', name) });
  const concurrency = createConcurrencyLayer({
    clock,
    onRefused: (head, { name }) => refused(head, 'concurrency', name),
  });
  const upload = createUploadLayer({ clock, floorOf: unaryUploadFloor });
  const admits = new Map<ServerCallLimits, Layer>();
  const admitOf = (limits: ServerCallLimits): Layer => {
    const all: Pick<ServiceLimits, 'maxCalls' | 'maxStreams'> = { maxCalls: Infinity, ...limits };
    const layer =
      admits.get(limits) ??
      createAdmitLayer({ limitsOf: () => all, onRefused: (head) => refused(head, 'limits', head.call.cluster) });
    admits.set(limits, layer);
    return layer;
  };

  function layersOf({ facts, policy, limits }: MethodPlan): (Layer | undefined | false)[] {
    const rateLimits = policy.rateLimits ?? facts.rules?.rateLimits ?? [];
    const isUnary = facts.kind === 'unary';
    const isKept = policy.cache !== undefined && mayBeKept(facts);
    const mayWait = isKept || (isUnary && (policy.concurrency?.maxQueue ?? 0) > 0);
    const defaultMs = isUnary ? policy.defaultTimeoutMs : policy.defaultStreamTimeoutMs;
    const isTimed = (defaultMs ?? policy.maxTimeoutMs ?? facts.rules?.timeoutMs) !== undefined;
    return [
      facts.service !== HEALTH && identify,
      policy.fault && fault,
      rateLimits.some(({ key }) => key?.from === 'field') && firstMessage,
      rateLimits.length > 0 && rateLimit,
      // A kit keeps the deadlines of what has reached it.
      mayWait ? deadline : isTimed && deadlineOfKit,
      (policy.maxRequestBytes ?? policy.maxResponseBytes) !== undefined && messageLimit,
      isKept && cache,
      limits && admitOf(limits),
      policy.admission && admission,
      isUnary && policy.concurrency && concurrency,
      // Who holds a place must not trickle its request.
      isUnary && (limits ?? policy.concurrency) && upload,
    ];
  }

  return {
    layerOf(method) {
      const plan = scopes.planOf(method);
      const layers = layersOf(plan).filter((layer) => layer !== undefined && layer !== false);
      return layers.length === 0 ? undefined : (next) => compose([createRouteLayer(plan), ...layers], next);
    },
    validate: () => scopes.validate(),
  };
}

/** Tells the layers behind it what the method is, and how its calls are treated. */
function createRouteLayer({ facts, policy }: MethodPlan): Layer {
  return (next) => (head, reply) => {
    const { call } = head;
    call.method = facts;
    call.cluster = facts.service;
    call.policy = policy;
    return next(head, reply);
  };
}
