import type { Clock, Endpoint } from '@bascule/core';
import type { Membership } from '../membership/membership.ts';

/** Asks endpoints how they are, and reports to a membership. */
export interface HealthChecks {
  /** The membership has changed. */
  changed(): void;
  /** Takes over changed settings: what is checked no longer gets the verdict `unknown`. */
  update(settings: HealthSettings): void;
  /** What an endpoint's answers said of its load (ORCA), or a registry of it. See LoadLimitSettings. */
  reportLoad(key: string, load: Load): void;
  close(): Promise<void>;
}

export interface HealthChecksOptions {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly settings: HealthSettings;
  readonly probes: Probes;
}

/** How endpoints are reached; discovery does not know how bytes travel. All throw, with words for a person, on failure. */
export interface Probes {
  tcp(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
  http(endpoint: Endpoint, probe: { path: string; port: number | undefined }, signal: AbortSignal): Promise<void>;
  grpc(endpoint: Endpoint, probe: { service: string }, signal: AbortSignal): Promise<void>;
  /**
   * grpc.health.v1 Watch: `onStatus` hears every answer, undefined for one that serves and else why not. Ends (throws)
   * when the stream does; throws UnimplementedProbe where there is no Watch.
   */
  watchGrpc(
    endpoint: Endpoint,
    probe: { service: string; onStatus(why: string | undefined): void },
    signal: AbortSignal,
  ): Promise<void>;
}

/** The endpoint has no health service: gRPC counts it as healthy. */
export class UnimplementedProbe extends Error {
  override readonly name = 'UnimplementedProbe';
}

export interface HealthSettings {
  /** By fully qualified name; "*" is all the others. Undefined: only doubted endpoints are checked, by TCP. */
  checkOf(service: string): CheckSettings | undefined;
  loadLimitOf(service: string): LoadLimitSettings | undefined;
}

export interface CheckSettings {
  readonly probe:
    | { readonly kind: 'grpc'; readonly service: string | undefined; readonly watch: boolean }
    | { readonly kind: 'http'; readonly path: string; readonly port: number | undefined }
    | { readonly kind: 'tcp' }
    /** gRPC for endpoints that speak it, TCP for the others. */
    | { readonly kind: 'by-protocol' };
  readonly intervalMs: number;
  /** 0 to 50. */
  readonly jitterPercent: number;
  readonly timeoutMs: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly maxChecksPerInterval: number;
}

export interface LoadLimitSettings {
  readonly maxUtilization: number;
  readonly afterMs: number;
}

/** 0 idle, 1 full. */
export interface Load {
  readonly applicationUtilization: number;
  readonly cpuUtilization: number;
}
