import type { BalancingPolicy, PolicySpec } from '@bascule/balancer';
import type { CallPolicy, Clock, MethodFacts, Service, ServiceLimits } from '@bascule/core';
import type { CheckSettings, Credentials } from '@bascule/discovery';
import type { LimitStore, MirrorDiff, RetryBudgetOptions } from '@bascule/layers';
import type { LinkTlsSource } from '@bascule/wire';
import type { BinaryReadOptions, BinaryWriteOptions, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import type { Interceptor, Transport } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

/** Which RPC protocol goes over the wire. */
export type Protocol = 'grpc' | 'grpc-web' | 'connect';

export interface NodeTransportOptions {
  /**
   * Where calls go, with a path in front of theirs if need be: `http://127.0.0.1:8080` or `https://example.com/api`.
   * `http` with HTTP/2 is prior knowledge (h2c). With `discovery` it says how endpoints are called, whatever their
   * address: over TLS or not, by which name (authority, and what their certificates must bear), with which path in front.
   * May be left out then: no TLS, and each endpoint by its own address.
   */
  readonly baseUrl?: string;
  /** Calls go to whoever is there, balanced, in place of one server. */
  readonly discovery?: TransportDiscovery;
  /**
   * With `discovery`: how endpoints share the calls. Default least request of two, endpoints that fail five times in a
   * row left out for a time.
   */
  readonly balancing?: BalancingOverrides;
  /**
   * How calls are treated, for all methods or by method (asked once for each). Its parts stand in place of those of
   * `serviceConfig`, which stand in place of the method options of the proto and the defaults. Default with `discovery`:
   * up to 3 attempts for calls that may be repeated, see docs/node-transport.md. Default without: nothing of it.
   */
  readonly policy?: CallPolicy | ((method: MethodFacts) => CallPolicy);
  /** gRPC service config, as JSON: timeouts, retries, hedging and throttling by method. Source: gRFC A2 and A6. */
  readonly serviceConfig?: string;
  /** Of each service. Default 1,024 calls that wait for an endpoint, and no other. */
  readonly limits?: Partial<ServiceLimits>;
  /** How many repeats there may be, for each service. Default 20 per 100 calls and 10 a second, over 10 s. */
  readonly retryBudget?: Partial<Omit<RetryBudgetOptions, 'clock'>>;
  /**
   * Where the buckets of `shared` rate limits are kept: whatever keeps them for several processes. It is not closed
   * here. Default: in this process.
   */
  readonly sharedLimits?: LimitStore;
  /** Hears of each copy (`policy.mirror` with `diff`) whose answer differs from that of its call. Must not throw. */
  onMirrorDiff?(method: MethodFacts, diff: MirrorDiff): void;
  /**
   * A call made inside a handler ends no later than the handler's own call: at its deadline, and when its caller gives
   * it up. Default true.
   */
  readonly inheritDeadline?: boolean;
  /** Default `grpc`. With `discovery`: of endpoints that do not say theirs. */
  readonly protocol?: Protocol;
  /** Default `2`. gRPC needs 2; over 1.1 both directions of a bidi stream do not run at once. */
  readonly httpVersion?: '2' | '1.1';
  /** Messages as binary protobuf; false writes JSON. Default true. */
  readonly useBinaryFormat?: boolean;
  /** Around every call, outermost first. Default none. */
  readonly interceptors?: readonly Interceptor[];
  /**
   * For `https`: what to trust and what to show, as `node:tls` takes it, or a function that is asked before each
   * connection and gives the same object until something has changed. Default Node's authorities, no certificate. With
   * `discovery` and no `baseUrl` all endpoints are called over TLS, each by its own name; without this those that say
   * that they speak it.
   */
  readonly tls?: LinkTlsSource;
  /** Compresses requests of at least `compressMinBytes`. Default null: none. */
  readonly sendCompression?: Compression | null;
  /** What servers may compress with, in order of preference. Default gzip, br, zstd. */
  readonly acceptCompression?: readonly Compression[];
  /** Smallest message worth compressing, in bytes. Default 1,024. */
  readonly compressMinBytes?: number;
  /** Largest response message, compressed and decompressed, in bytes. Beyond: `resource_exhausted`. Default 4 MiB. */
  readonly readMaxBytes?: number;
  /** Largest request message in bytes. Beyond: `resource_exhausted`. Default 2^32-1. */
  readonly writeMaxBytes?: number;
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
  /** Deadline of calls that state none, in ms. A call's own timeout of 0 or less means none. Default none. */
  readonly defaultTimeoutMs?: number;
  /** Connect only: methods without side effects go as GET. Default false. */
  readonly useHttpGet?: boolean;
  /**
   * How long a call waits for a server that cannot be reached or refuses it unseen, or for an endpoint to become ready,
   * in ms; never beyond its deadline. 0 fails such calls after the repeats that need no wait. Default 1,000.
   */
  readonly connectWaitMs?: number;
  /**
   * Connections without a call close after this long, in ms; the next call opens one anew. Default 900,000 (15 min). With
   * `discovery` those to endpoints stay while they are there.
   */
  readonly idleTimeoutMs?: number;
  /**
   * HTTP/2 only: while calls are open and the server has been silent this long, in ms, it is asked for a sign of life,
   * and the connection is given up when none comes within 20 s. Default 0: never; at least 10,000. Source: gRFC A8.
   */
  readonly keepaliveMs?: number;
  /** Default real time. */
  readonly clock?: Clock;
  /**
   * Takes the calls in place of a connection of our own, in the inner dialect (see ARCHITECTURE.md). Then `protocol`,
   * `httpVersion`, `tls`, `useHttpGet`, `keepaliveMs` and `idleTimeoutMs` are not looked at, and who gave it closes it.
   */
  readonly service?: Service;
}

/** Who answers calls, by what discovery systems say. */
export interface TransportDiscovery {
  /**
   * The systems to ask, by URL: `consul://127.0.0.1:8500/places`, `dns://places.internal:8080`, `static:host:port`.
   * docs/discovery.md has the schemes. At least one. Lower ranks are used first.
   */
  readonly sources: readonly (string | DiscoverySource)[];
  /**
   * All calls go to the endpoints that answer this service (fully qualified), whichever service they are of. Default:
   * each call to those that answer its own service, or that do not say what they answer.
   */
  readonly service?: string;
  /** Endpoints that fail it get no calls. Default: only those that their source does not know any more are asked. */
  readonly healthCheck?: Partial<CheckSettings>;
  /** Longest that an endpoint is kept which answers but is not known any more, in ms. Default: no limit. */
  readonly absentLimitMs?: number;
  /**
   * Folder for what each source told last, up to 7 days old, so that a program starts while its sources are away: it is
   * used as long as it answers. Programs must not share one. Default: nothing is kept.
   */
  readonly lastKnownDir?: string;
  /** For `env:` sources: give `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where relative names of `file:` sources begin. Default: the working directory. */
  readonly baseDir?: string;
  /** Something is wrong with a source or a record, and the rest goes on: for logs. `source` is its URL. */
  onWarning?(message: string, source: string): void;
}

/** One system, with what it asks for. Credentials never stand in the URL. */
export interface DiscoverySource extends Credentials {
  readonly url: string;
  /** Endpoints of a higher rank are used while nobody of a lower one can be. Default 0. */
  readonly rank?: number;
}

/** What differs from the defaults of `BalancingPolicy`. */
export type BalancingOverrides = Partial<Omit<BalancingPolicy, 'policy'>> & { readonly policy?: PolicySpec };

/** A Connect transport that holds connections. */
export interface NodeTransport extends Transport {
  /** Takes no new calls; resolves when the last open call has ended and the connections are closed. */
  close(): Promise<void>;
}
