import type { Outcome } from './outcome.ts';
import type { Service } from './service.ts';

/**
 * What an endpoint speaks: over HTTP/2 by prior knowledge unless the name says otherwise. `port` is a module version
 * behind a message port in this process.
 */
export type EndpointProtocol = 'grpc' | 'grpc-web' | 'grpc-web+http1' | 'connect' | 'connect+http1' | 'port';

/** How messages may be written for an endpoint. `proto` is the one that all understand. */
export type Codec = 'proto' | 'json';

/**
 * Whether new calls should go to an endpoint: `failing` by a check or its registry's word, `draining` by its own.
 */
export type EndpointHealth = 'healthy' | 'failing' | 'draining';

/**
 * Somebody who can answer calls. Identity is instance id + incarnation; all else are fields that may change, so an
 * update keeps load and history. Plain data: crosses threads.
 */
export interface Endpoint {
  /** Stable over restarts of the same instance. */
  readonly instanceId: string;
  /** Grows with each start of the instance, so that a late word of an old process is known as such. */
  readonly incarnation: number;
  readonly host: string;
  readonly port: number;
  readonly protocol: EndpointProtocol;
  /** Whether it says that its protocol is spoken over TLS. Default false. */
  readonly tls?: boolean;
  /** What it reads and writes; messages in others are transcoded on the way. */
  readonly codecs: readonly Codec[];
  /** Relative share, 0 to 65,535; 0 takes no new calls. Default 1. */
  readonly weight: number;
  /** Lower is used first. Default 0. */
  readonly priority: number;
  readonly zone: string;
  /** Fully qualified names of the services it answers. */
  readonly services: readonly string[];
  /** Digest of its descriptors, `sha256:<hex>`, or empty. */
  readonly schemaDigest: string;
  /** Version of the handler module, or empty. */
  readonly moduleVersion: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Default `healthy`. */
  readonly health?: EndpointHealth;
}

/** Identity of an endpoint as a map key. */
export function endpointKey(endpoint: Pick<Endpoint, 'instanceId' | 'incarnation'>): string {
  return `${endpoint.instanceId}#${endpoint.incarnation}`;
}

/** `host:port` as people and URLs write it: an IPv6 address stands in brackets. */
export function formatAddress({ host, port }: Pick<Endpoint, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Why an endpoint left. Every removal states one. `not-in-source`: its source lists the others and not this one.
 * `absent-and-failing`: no source knows it, and it does not answer either. `absent-too-long`: it answers, but no source
 * has known it for longer than allowed. `same-address`: another identity at its address took its place. `source-gone`:
 * its source is not in the configuration any more.
 */
export type RemovalCause =
  | 'deregistered'
  | 'lease-expired'
  | 'replaced'
  | 'retired'
  | 'not-in-source'
  | 'absent-and-failing'
  | 'absent-too-long'
  | 'same-address'
  | 'source-gone';

/** Who is there, as a stream of changes. Sources know nothing of balancers, balancers nothing of sources. */
export type Change =
  | { readonly type: 'insert'; readonly endpoint: Endpoint }
  | { readonly type: 'update'; readonly endpoint: Endpoint }
  | { readonly type: 'remove'; readonly key: string; readonly cause: RemovalCause };

/** A way to one endpoint: a Service with a life. */
export interface Link {
  readonly service: Service;
  /** True while a new call can be sent at once. */
  isReady(): boolean;
  /** Called on each change of readiness, until closed. One listener. */
  onReadyChange(listener: (ready: boolean) => void): void;
  /** Why it is not ready, for people; empty where there is nothing to say. */
  problem?(): string;
  /** Tries now to connect, if it waits before it does so: what kept it from connecting may be gone. */
  retry?(): void;
  /** Takes no new calls; resolves when the last open call has ended and the way is closed. */
  close(): Promise<void>;
  /** Ends open calls with `unavailable` and closes at once. */
  destroy(): void;
}

/**
 * A pick. Load is counted on lending; `release` gives it back and reports how it went. Exactly once: a second
 * release throws, since a count that is wrong is worse than a crash in a test.
 */
export interface Lease {
  readonly endpoint: Endpoint;
  readonly service: Service;
  /** The first message of an answer has come: for streams, that is what their latency is measured by. */
  answered(): void;
  /** A message of a stream has passed, in either direction: a stream that talks is more load than one that is silent. */
  moved(): void;
  release(outcome: Outcome): void;
}
