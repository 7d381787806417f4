import type { Clock, Endpoint } from '@bascule/core';
import type { Membership } from '../membership/membership.ts';

/**
 * Asks endpoints how they are, and reports to a membership.
 *
 * 1. An endpoint has one check for each different way in which its services are to be checked, and is as well as the
 *    worst of them says. It is checked whatever its source says of its health. Module versions are not checked.
 * 2. Until the first answer of a Check the word of its source counts; that answer decides at once, later ones by the
 *    thresholds. A watched endpoint gets no calls until its first answer (gRFC A17), unless more of them come at once
 *    than may be asked in an interval: then waiting for their turn would leave nobody.
 * 3. A watch says at once what changes. It is opened anew in every interval, since a hung endpoint ends no stream. One
 *    that breaks is opened again after a backoff, and only a failure to do so counts.
 * 4. An endpoint that its sources doubt is asked by TCP every second if nothing else checks it, until it is told again
 *    or gone: three failures in a row confirm that it left.
 * 5. An endpoint without a health service counts as passing (gRFC A17), which is told once per service.
 * 6. Load takes at most half of a service's endpoints out that are otherwise well: when all are overloaded, sending the
 *    same calls to fewer makes it worse.
 */
export interface HealthChecks {
  /** Takes what `Membership.onNews` says: keys of records that have come, changed or left. */
  changed(keys: readonly string[]): void;
  /** Takes over changed settings: what is checked no longer gets the verdict `unknown`. */
  update(settings: HealthSettings): void;
  /** What an endpoint's answers said of its load (ORCA), or a registry of it. See LoadLimitSettings. */
  reportLoad(key: string, load: Load): void;
  /** Resolves when no probe is under way any more. Verdicts stay as they are. */
  close(): Promise<void>;
}

export interface HealthChecksOptions {
  readonly membership: Pick<Membership, 'member' | 'members' | 'report'>;
  readonly clock: Clock;
  readonly settings: HealthSettings;
  readonly probes: Probes;
  /** Something that a person should know; each text once per service. */
  onWarning?(message: string): void;
}

/** How endpoints are reached; discovery does not know how bytes travel. All throw, with words for a person, on failure. */
export interface Probes {
  tcp(endpoint: Endpoint, signal: AbortSignal): Promise<void>;
  http(
    endpoint: Endpoint,
    probe: { path: string; port: number | undefined; tls?: boolean | undefined },
    signal: AbortSignal,
  ): Promise<void>;
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
    /** `service` is the name to ask for; undefined is the whole server, which is the empty name. */
    | { readonly kind: 'grpc'; readonly service: string | undefined; readonly watch: boolean }
    /** `tls`: over TLS or not; default as calls at the endpoint's own port, in the clear at another. */
    | {
        readonly kind: 'http';
        readonly path: string;
        readonly port: number | undefined;
        readonly tls?: boolean | undefined;
      }
    | { readonly kind: 'tcp' }
    /** gRPC for endpoints that speak it, TCP for the others. */
    | { readonly kind: 'by-protocol' };
  readonly intervalMs: number;
  /** How far a check may be off its interval, to both sides. 0 to 50. */
  readonly jitterPercent: number;
  readonly timeoutMs: number;
  /** Failures in a row after which an endpoint that passed is failing. For checks, not for watches. */
  readonly unhealthyThreshold: number;
  /** Successes in a row after which one that failed is passing. */
  readonly healthyThreshold: number;
  /** Of one service. Where it has more endpoints, they take turns, and each is checked less often. */
  readonly maxChecksPerInterval: number;
}

/** What an endpoint may say of its own load. One that has said nothing for 3 minutes has no load. */
export interface LoadLimitSettings {
  /** Above it for `afterMs` an endpoint gets no more calls, until it is below nine tenths of it. */
  readonly maxUtilization: number;
  readonly afterMs: number;
}

/** 0 idle, 1 full; more is lawful. Source: gRFC A51, xds.data.orca.v3.OrcaLoadReport. */
export interface Load {
  /** Counts where it is above 0, since the application knows better than its machine. */
  readonly applicationUtilization: number;
  readonly cpuUtilization: number;
}
