import type { AdmissionPolicy, CallKey, CallPolicy, ConcurrencyPolicy, RateLimit, ServiceLimits } from '@bascule/core';
import type { IdentifyOptions, LimitStore } from '@bascule/layers';

/**
 * How a server treats its calls, by what it says here and by the method options of its protos (`bascule.options.v1`).
 * Calls of `grpc.health` and of reflection are treated only by scopes that name them, so that who asks for the health of
 * a busy server gets an answer.
 */
export interface ServeCalls {
  /**
   * By scope: `*` is every service, `demo.places.v1.PlacesService` one, `demo.places.v1.PlacesService/Search` a method.
   * Each part that a scope sets replaces that part of the wider one as a whole. Names that nobody serves are refused.
   */
  readonly policies?: Readonly<Record<string, ServerCallPolicy>>;
  /**
   * gRPC service config, as JSON, as clients have it: times and sizes of its methods hold here too, over `*` and below
   * what a service or method says; retries, hedging and balancing are for who calls. Source: gRFC A2.
   */
  readonly serviceConfig?: string;
  /**
   * Finds out who calls, by `authorization: Bearer`; health is asked by anybody. What keys of claims, the cache and
   * `contextValues(head)` (`head.call.principal`) go by. Default: callers are nobody in particular.
   */
  readonly identify?: Pick<IdentifyOptions, 'verify' | 'required'>;
  /**
   * Keeps the buckets of rate limits that are `shared`, as `createRedisLimits` of `@bascule/gateway` does for gateways.
   * The server does not close it. Default none: then no limit may be shared.
   */
  readonly sharedLimits?: LimitStore;
  /** Hears of each call that is refused for there being too many. Must not throw, and should be quick. */
  onRefused?(call: RefusedCall): void;
}

/** What the gateway and the Node transport say of calls, as far as it is for who answers. */
export interface ServerCallPolicy extends Pick<
  CallPolicy,
  | 'defaultTimeoutMs'
  | 'defaultStreamTimeoutMs'
  | 'maxTimeoutMs'
  | 'maxRequestBytes'
  | 'maxResponseBytes'
  | 'criticality'
  | 'fault'
> {
  /** All must let a call through. In place of those of the method options; `[]` is none. */
  readonly rateLimits?: readonly ServerRateLimit[];
  /**
   * Open calls, of one service where the scope is `*` or a service, of one method where it is that. Beyond them
   * `resource_exhausted`. Default: none.
   */
  readonly limits?: ServerCallLimits;
  /** Refuses a share of calls while many fail. `{}` takes every default. */
  readonly admission?: Partial<AdmissionPolicy>;
  /** As many unary calls at once as are answered well, and a queue before them. `{}` takes every default. */
  readonly concurrency?: Partial<ConcurrencyPolicy>;
  /** Keeps answers of unary methods that are `NO_SIDE_EFFECTS`, and makes equal calls at the same time one. */
  readonly cache?: ServerCachePolicy;
}

export type ServerCallLimits = Partial<Pick<ServiceLimits, 'maxCalls' | 'maxStreams'>>;

/** Token bucket. Beyond it `resource_exhausted` with google.rpc.RetryInfo. */
export interface ServerRateLimit extends Pick<RateLimit, 'perSecond' | 'shared'> {
  /** Limits of the same name share their buckets. Default: the name of the service, or of the method, that it is for. */
  readonly name?: string;
  /** Calls that may come at once, at least 1. Default: those of a second. */
  readonly burst?: number;
  /** A bucket for each value. Default: one for all calls. */
  readonly key?: ServerCallKey;
}

/** What tells callers apart. `peer` is the address of the socket, behind a gateway therefore the gateway's. */
export type ServerCallKey =
  | Extract<CallKey, { from: 'peer' | 'header' | 'claim' }>
  | { readonly from: 'cookie'; readonly name: string }
  /** A field of the request message, by its path in the proto, as in `user.id`. */
  | { readonly from: 'field'; readonly path: string };

export interface ServerCachePolicy {
  /** How long an answer is kept that does not say it by `cache-control`, in ms. Default 0: only those that say it. */
  readonly ttlMs?: number;
  /** Over all answers of a service. Default 16 MiB. */
  readonly maxBytes?: number;
  /** Request fields that answers depend on, beside who calls. Default none. */
  readonly varyOn?: readonly string[];
}

/** A call that did not reach its handler. */
export interface RefusedCall {
  readonly service: string;
  readonly method: string;
  readonly by: 'rate-limit' | 'limits' | 'admission' | 'concurrency';
  /** Of the limit, or of what else refused it; for `limits` the service. */
  readonly name: string;
}
