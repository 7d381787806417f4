/**
 * What control tells the data side: an immutable, plain-data picture of everything a call needs. It is computed whole,
 * numbered, and put in place in one step. The data side never asks back.
 */
import type { BalancingPolicy } from '@bascule/balancer';
import type { CallPolicy, Change, Endpoint, MethodFacts, ServiceLimits } from '@bascule/core';
import type { MetricsSnapshot } from '@bascule/layers';
import type { LinkTls } from '@bascule/wire';

export interface Snapshot {
  /** Grows by one with each picture. */
  readonly revision: number;
  readonly clusters: readonly ClusterSnapshot[];
  /** Descriptors by which JSON is converted for endpoints that do not take it. */
  readonly schemas: readonly SchemaSnapshot[];
  readonly policies: Policies;
}

/** A schema in use; one that is not listed any more can be forgotten. */
export interface SchemaSnapshot {
  readonly digest: string;
  /** Serialized google.protobuf.FileDescriptorSet; undefined for a thread that has been given it before. */
  readonly bytes: Uint8Array | undefined;
}

/** What the data side knows of one service, beside whom to send to. */
export interface ClusterFacts {
  /** Fully qualified service name. */
  readonly service: string;
  readonly balancing: BalancingPolicy;
  readonly limits: ServiceLimits;
  /** How calls are treated whose method is not listed below. */
  readonly policy: CallPolicy;
  readonly methodPolicies: Readonly<Record<string, CallPolicy>>;
  /** The first that a call matches counts. */
  readonly routes: readonly RouteRule[];
  /** Of the service's gRPC service config; undefined without. */
  readonly retryThrottling?: { readonly maxTokens: number; readonly tokenRatio: number };
  /** Empty when no descriptor is known: then every method counts as a bidi stream that is not idempotent. */
  readonly methods: readonly MethodFacts[];
  /** Whether answers are looked at for what endpoints say of their load. */
  readonly readsLoad: boolean;
  /** Undefined calls those over TLS that say that they speak it. */
  readonly tls?: UpstreamTls | undefined;
}

/** How endpoints are called over TLS. Services with the same settings share the object, so that it crosses threads once. */
export interface UpstreamTls {
  /** Of the settings: another one means new connections. */
  readonly name: string;
  /** Of what the files hold: another one is for connections that are opened from then on. */
  readonly digest: string;
  readonly required: boolean;
  readonly link: LinkTls;
}

/** Calls of a service that are treated in a way of their own. */
export interface RouteRule {
  readonly name: string;
  /** Undefined is every method. */
  readonly method: string | undefined;
  readonly headers: readonly { readonly name: string; readonly value: string | undefined }[];
  /** The parts that it sets. */
  readonly policy: CallPolicy;
}

/** Everything of one service. */
export interface ClusterSnapshot extends ClusterFacts {
  readonly endpoints: readonly Endpoint[];
}

/** A snapshot as one data thread is given it: without most of what it has been given before. */
export interface SnapshotUpdate extends Omit<Snapshot, 'clusters'> {
  readonly clusters: readonly ClusterUpdate[];
}

export interface ClusterUpdate extends ClusterFacts {
  readonly endpoints: EndpointsUpdate;
}

/**
 * Whom a cluster has: all of them, or what has changed since the update before. Ten thousand endpoints take a tenth of
 * a second to cross to another thread, in which that one takes no calls.
 */
export type EndpointsUpdate =
  | { readonly kind: 'all'; readonly endpoints: readonly Endpoint[] }
  | { readonly kind: 'changes'; readonly changes: readonly Change[] };

/** Settings that hold for every call; a change of one makes a new stack for new calls. */
export interface Policies {
  /** Grows when any of the below changes. */
  readonly revision: number;
  readonly maxMessageBytes: number;
  readonly defaultTimeoutMs: number;
  readonly maxTimeoutMs: number;
  readonly retryBudget: {
    readonly percent: number;
    readonly reservePerSecond: number;
    readonly windowMs: number;
  };
  readonly cors: {
    readonly allowOrigins: readonly string[];
    readonly allowCredentials: boolean;
    readonly allowHeaders: readonly string[];
    readonly exposeHeaders: readonly string[];
    readonly maxAgeSeconds: number;
  };
  readonly exposeEndpoint: boolean;
  readonly explain: 'off' | 'operator' | 'anybody';
  /** `sha256:<hex>` of the operator's token, for callers that ask why. */
  readonly operatorTokenDigest: string;
  readonly identity: IdentityFacts | undefined;
  readonly sharedLimits: SharedLimitFacts | undefined;
  readonly staticDir: string | undefined;
  /** "stdout", "off" or an absolute path. */
  readonly accessLog: string;
}

/** How tokens are read. */
export interface IdentityFacts {
  /** A JSON Web Key Set. */
  readonly jwks: string;
  readonly issuer: string | undefined;
  readonly audience: string;
  readonly required: boolean;
}

/** Where shared limits are counted. */
export interface SharedLimitFacts {
  readonly url: string;
  readonly password: string | undefined;
  readonly timeoutMs: number;
}

/** What a data thread says of itself when asked. Plain data. */
export interface DataReport {
  readonly metrics: MetricsSnapshot;
  readonly members: readonly MemberReport[];
  readonly openCalls: number;
  /** Revision of the snapshot in use. */
  readonly revision: number;
}

export interface MemberReport {
  readonly service: string;
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly state: 'ready' | 'connecting' | 'draining';
  /** What the thread's balancer thinks of it. */
  readonly standing: 'in' | 'ejected' | 'probing' | 'unused';
  /** Wall-clock milliseconds since its way is as it is. */
  readonly sinceMs: number;
  /** Why it is connecting still, for people. */
  readonly problem: string;
  readonly openCalls: number;
  readonly calls: number;
  readonly failures: number;
  /** Mean answer of late; undefined where nobody measures it. */
  readonly latencyMs: number | undefined;
}
