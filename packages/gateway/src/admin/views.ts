/** What the operator's services show, as plain data from the rest of the gateway. Meanings: admin.proto, modules.proto. */

export interface EndpointViewData {
  readonly cluster: string;
  readonly instanceId: string;
  readonly incarnation: number;
  /** "host:port", or "module". */
  readonly address: string;
  readonly services: readonly string[];
  readonly moduleVersion: string;
  readonly state: 'ready' | 'connecting' | 'failing' | 'draining' | 'absent' | 'ejected' | 'probing' | 'unused';
  /** Names of sources, with commas. */
  readonly source: string;
  readonly weight: number;
  readonly openCalls: number;
  readonly calls: number;
  readonly failures: number;
  readonly zone: string;
  readonly cause: string;
  /** Wall-clock milliseconds since 1970; 0 is unknown. */
  readonly sinceMs: number;
  /** 0 where nobody measures it. */
  readonly latencyMs: number;
}

export interface RemovalViewData {
  readonly instanceId: string;
  readonly incarnation: number;
  readonly address: string;
  readonly services: readonly string[];
  readonly source: string;
  readonly cause: string;
  readonly atMs: number;
}

export interface SourceViewData {
  readonly name: string;
  readonly state: 'connecting' | 'connected' | 'stale';
  readonly sinceMs: number;
  readonly error: string;
  readonly rank: number;
  readonly endpoints: number;
}

/** Who is there, who was, and who says so. */
export interface DiscoveryViewData {
  readonly endpoints: readonly EndpointViewData[];
  /** Newest first. */
  readonly removals: readonly RemovalViewData[];
  readonly sources: readonly SourceViewData[];
}

export interface StatusData {
  /** Of the software. */
  readonly version: string;
  /** "host:port" of the listener that takes calls. */
  readonly apiAddress: string;
  readonly apiTls: boolean;
  readonly configRevision: number;
  readonly snapshotRevision: number;
  readonly dataThreads: number;
  /** Of the source that has not been connected for the longest; 0 while all are. */
  readonly discoveryStaleSeconds: number;
  /** Why the last saved configuration was refused; empty when it was taken. */
  readonly configError: string;
}

export interface VersionData {
  readonly module: string;
  readonly version: string;
  /** "sha256:<hex>" of the bundle; empty when there is none. */
  readonly digest: string;
  readonly state: 'stored' | 'starting' | 'current' | 'draining' | 'refused' | 'crashed';
  /** Why it was refused or crashed; otherwise empty. */
  readonly reason: string;
  readonly services: readonly string[];
  readonly schemaDigest: string;
  /** Wall-clock milliseconds since 1970. */
  readonly deployedAtMs: number;
  readonly openCalls: number;
  readonly restarts: number;
  readonly source: string;
}

export interface RollbackData {
  readonly version: VersionData;
  /** What was current before; empty if nothing was. */
  readonly previousVersion: string;
}

export interface DeployData extends RollbackData {
  /** True when just these bits were current already, and nothing was done. */
  readonly unchanged: boolean;
  readonly timings: {
    readonly unpackMs: number;
    readonly bundleMs: number;
    readonly workerStartMs: number;
    readonly checkMs: number;
    readonly switchMs: number;
  };
}
