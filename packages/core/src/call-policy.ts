/**
 * How calls are treated, by service, method or route: plain data that crosses threads. A gateway's configuration, a gRPC
 * service config and the options of a Node transport all become this, and the layers read it from `call.policy`. What is
 * undefined is off, or as the layer's own default says.
 */
import type { Code } from './errors.ts';

/** What to give up first when there is too much: `sheddable` before `default` before `critical`. */
export type Criticality = 'critical' | 'default' | 'sheddable';

export interface CallPolicy {
  /** Deadline of a unary call that brings none, in ms; 0 is none. */
  readonly defaultTimeoutMs?: number;
  /** The same of a stream. Default: as its method says, or none. */
  readonly defaultStreamTimeoutMs?: number;
  /** Longest deadline a caller may ask for, in ms. */
  readonly maxTimeoutMs?: number;
  /** How long a call waits for an endpoint to become ready, in ms. */
  readonly connectTimeoutMs?: number;
  /**
   * Longest message of the caller and of the callee, in bytes, as it goes over the wire: compressed, where it is. 0
   * allows empty ones. Beyond it `resource_exhausted`.
   */
  readonly maxRequestBytes?: number;
  readonly maxResponseBytes?: number;
  readonly retry?: RetryPolicy;
  /** In place of retries by policy; transparent retries go on. */
  readonly hedge?: HedgePolicy;
  /** All must let a call through. */
  readonly rateLimits?: readonly RateLimit[];
  readonly breaker?: BreakerPolicy;
  readonly concurrency?: ConcurrencyPolicy;
  readonly admission?: AdmissionPolicy;
  /** Default `default`. */
  readonly criticality?: Criticality;
  readonly affinity?: AffinityPolicy;
  readonly fault?: FaultPolicy;
  readonly mirror?: MirrorPolicy;
  readonly cache?: CachePolicy;
}

/** Hard limits of one service, in each data thread. Beyond them calls fail at once with `resource_exhausted`. */
export interface ServiceLimits {
  /** Unary calls open at once. */
  readonly maxCalls: number;
  /** Streams open at once; undefined counts them as calls. */
  readonly maxStreams?: number;
  /** Calls that wait for an endpoint. */
  readonly maxPending: number;
  /** Retries running at once; undefined is by the retry budget alone. */
  readonly maxRetries?: number;
}

/** Repeats by policy. Source: gRFC A6. */
export interface RetryPolicy {
  /** Attempts in all, the first one included; transparent repeats do not count. 1 is no repeat by policy. */
  readonly maxAttempts: number;
  /** Statuses that are worth another attempt. Default `unavailable`. */
  readonly codes?: readonly Code[];
  /** Default 25. */
  readonly initialBackoffMs?: number;
  /** Default 250. */
  readonly maxBackoffMs?: number;
  /** Default 2. */
  readonly backoffMultiplier?: number;
  /**
   * `full` draws from 0 to the backoff, as Envoy does; `a6` draws from 0.8 to 1.2 of it, as gRFC A6 does. Default `full`.
   */
  readonly jitter?: 'full' | 'a6';
  /** Repeats a call that may have run although its method does not say that this does no harm. Default false. */
  readonly anyMethod?: boolean;
  /** Longest that one attempt may take, in ms. Default: the call's deadline alone. */
  readonly perAttemptTimeoutMs?: number;
  /** Request bytes kept for another attempt. */
  readonly maxBufferBytes?: number;
  /** How long a stream's head is held back while the call could still be repeated, in ms. Unary calls hold it always. */
  readonly holdHeadMs?: number;
}

/** A second attempt beside the first. Source: gRFC A6, Hedging; percentile as Finagle's backup requests. */
export interface HedgePolicy {
  /** Attempts in all, the first one included. */
  readonly maxAttempts: number;
  /** Time after which the next attempt starts, in ms; undefined takes `percentile`. */
  readonly delayMs?: number;
  /** Share of calls in [0, 1) that are faster than the time after which the next attempt starts. */
  readonly percentile?: number;
  /** Statuses after which the next attempt starts at once; any other failure ends the call. Default `unavailable`. */
  readonly nonFatalCodes?: readonly Code[];
  /** Additional attempts allowed per 100 calls. Default 5 by percentile, the retry budget by delay. */
  readonly maxExtraPercent?: number;
  readonly maxBufferBytes?: number;
}

/** What tells callers apart. */
export type CallKey =
  | { readonly from: 'peer' }
  | { readonly from: 'header'; readonly name: string }
  /** `ttlMs`: sets one of our own where there is none; undefined only reads. */
  | { readonly from: 'cookie'; readonly name: string; readonly ttlMs?: number; readonly path?: string }
  /** A claim of the caller's token, as the layer that has checked it says. */
  | { readonly from: 'claim'; readonly name: string }
  | { readonly from: 'field'; readonly field: FieldPath };

/** A field of the request message, found in its bytes without reading the rest of it. */
export interface FieldPath {
  /** As written in the configuration: `user.id`. */
  readonly path: string;
  /** Names in JSON, outermost first. */
  readonly jsonNames: readonly string[];
  /** Field numbers, outermost first; all but the last are messages. */
  readonly numbers: readonly number[];
  readonly type: 'string' | 'bytes' | 'varint' | 'zigzag' | 'fixed32' | 'fixed64';
}

/** Token bucket. Beyond it `resource_exhausted` with google.rpc.RetryInfo. */
export interface RateLimit {
  /** Names the bucket; limits of the same name share one. */
  readonly name: string;
  /** Calls per second, above 0. */
  readonly perSecond: number;
  /** Calls that may come at once, at least 1. */
  readonly burst: number;
  /** A bucket for each value; undefined is one for all. Calls without the key share one. */
  readonly key?: CallKey;
  /** Counted over all gateways that share a store. Default false. */
  readonly shared?: boolean;
}

/** Stops calls to a service that fails too often. */
export interface BreakerPolicy {
  /** Names the state; policies of the same name share one. */
  readonly name: string;
  /** Share of failures, in percent, at which it opens. */
  readonly errorPercent: number;
  /** Calls in the window below which it does not judge. */
  readonly minCalls: number;
  readonly windowMs: number;
  /** Time until it lets probes through; doubles each time they fail, up to 10 times. */
  readonly openMs: number;
  /** Probes that must succeed in a row to close it. */
  readonly probes: number;
}

/** Adaptive limit of calls at once. Source: Envoy's gradient controller. */
export interface ConcurrencyPolicy {
  readonly name: string;
  /** Default 1,000. */
  readonly maxLimit?: number;
  /** Calls that may wait for a place; the last of them is refused when it cannot meet its deadline. Default 0. */
  readonly maxQueue?: number;
}

/** Refuses a share of calls by the success rate of late. Source: Envoy's admission control. */
export interface AdmissionPolicy {
  readonly name: string;
  /** Default 120,000. */
  readonly windowMs?: number;
  /** Success rate in percent below which calls are refused. Default 95. */
  readonly successPercent?: number;
  /** Default 1. */
  readonly aggression?: number;
  /** Calls per second below which none is refused. Default 5. */
  readonly minPerSecond?: number;
  /** Highest share refused, in percent. Default 80. */
  readonly maxRefusedPercent?: number;
}

/** Calls of one key go to one endpoint, by a policy that hashes, or by the endpoint that the key names. */
export interface AffinityPolicy {
  /** The first that a call has is taken. */
  readonly keys: readonly CallKey[];
  /**
   * Sticky sessions: a cookie (HTTP) that names the endpoint itself, so that a change of the set moves no session whose
   * endpoint is still there. Undefined is off.
   */
  readonly sticky?: { readonly cookie: string; readonly ttlMs: number; readonly path: string };
}

/** Faults on purpose. All conditions that are given must hold. */
export interface FaultPolicy {
  /** Field that must be there, with this value unless it is undefined. */
  readonly header?: { readonly name: string; readonly value?: string };
  readonly delay?: { readonly percent: number; readonly ms: number };
  readonly abort?: { readonly percent: number; readonly code: Code };
}

/** Copies of calls for another service; its answers reach nobody. */
export interface MirrorPolicy {
  /** Cluster that gets the copies. */
  readonly cluster: string;
  /** Share of calls, in percent. */
  readonly percent: number;
  /** Compares answers and counts differences. Default false. */
  readonly diff?: boolean;
}

/** Answers kept for methods with `NO_SIDE_EFFECTS`. */
export interface CachePolicy {
  /** How long an answer without `cache-control` is kept, in ms. 0 keeps only those that say how long. */
  readonly ttlMs: number;
  /** Over all answers. */
  readonly maxBytes: number;
  /** Request fields that answers depend on, beside the principal. */
  readonly varyOn?: readonly string[];
}
