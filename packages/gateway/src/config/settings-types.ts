import type { CallPolicy, Codec, EndpointProtocol, ServiceLimits } from '@bascule/core';
import type { CheckSettings, EndpointDefaults, LoadLimitSettings } from '@bascule/discovery';
import type { BalancingSettings } from './balancing-settings.ts';

/** What the gateway runs with: plain data that crosses threads. Meanings, ranges and defaults: config.proto. */
export interface Settings {
  readonly listener: ListenerSettings;
  readonly operator: { readonly port: number };
  readonly discovery: DiscoverySettings;
  readonly modules: ModuleSettings;
  readonly calls: CallSettings;
  readonly cors: CorsSettings;
  readonly observe: {
    /** "stdout", "off" or an absolute path. */
    readonly accessLog: string;
    readonly exposeEndpoint: boolean;
    /** Who may ask why a call went where it went. */
    readonly explain: 'off' | 'operator' | 'anybody';
  };
  /** Absolute. */
  readonly stateDir: string;
  /** In the order of the file; the first that a call matches counts. */
  readonly routes: readonly RouteSettings[];
  /** Undefined reads no tokens. */
  readonly identity: IdentitySettings | undefined;
  /** Undefined counts in each gateway alone. */
  readonly sharedLimits: SharedLimitSettings | undefined;
  /** Empty is nowhere in particular. */
  readonly zone: string;
  /** By fully qualified name; "*" is all the others. */
  readonly services: Readonly<Record<string, ServiceSettings>>;
}

export interface ListenerSettings {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Absolute; undefined serves no files. */
  readonly staticDir: string | undefined;
  /** 0 is the main thread. */
  readonly workers: number;
  /** Undefined is without TLS. */
  readonly tls: TlsSettings | undefined;
}

/** Absolute paths of PEM files. */
export interface TlsSettings {
  readonly certFile: string;
  readonly keyFile: string;
  /** Undefined asks callers for no certificate. */
  readonly clientCaFile: string | undefined;
}

export interface DiscoverySettings {
  /** "http://host:port"; short for a source of this URL that gets the gateway's own token. */
  readonly registry: string | undefined;
  readonly embeddedRegistry: boolean;
  /** Absolute path. */
  readonly registryAccessFile: string | undefined;
  readonly endpoints: readonly StaticEndpointSettings[];
  readonly sources: readonly SourceSettings[];
  /** Undefined is without limit. */
  readonly absentLimitMs: number | undefined;
  readonly lastKnownMaxAgeMs: number;
  /** Of services without a check of their own; undefined checks only what its source does not know any more. */
  readonly healthCheck: CheckSettings | undefined;
  /** Absolute folder; relative file names in URLs begin here. */
  readonly baseDir: string;
  /** Contents of every file that is named in here, by absolute path, as they were when the configuration was read. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

export interface SourceSettings {
  readonly name: string;
  readonly url: string;
  readonly rank: number;
  readonly defaults: Omit<EndpointDefaults, 'schemaDigest'>;
  readonly username: string | undefined;
  /** Absolute path of a FileDescriptorSet for endpoints that name none. */
  readonly schemaFile: string | undefined;
  readonly credentialFiles: CredentialFiles;
}

/** Absolute paths. Their contents are in `files`. */
export interface CredentialFiles {
  readonly token: string | undefined;
  readonly password: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface StaticEndpointSettings {
  readonly host: string;
  readonly port: number;
  readonly tls?: boolean;
  readonly services: readonly string[];
  readonly weight: number;
  /** Absolute path of a FileDescriptorSet; undefined means that the methods are unknown. */
  readonly schemaFile: string | undefined;
  readonly protocol: Exclude<EndpointProtocol, 'port'>;
  readonly codecs: readonly Codec[];
}

export interface ModuleSettings {
  /** Absolute folders. */
  readonly watch: readonly string[];
  readonly maxHeapMib: number;
  readonly maxExternalMib: number;
  readonly loadTimeoutMs: number;
  /** Undefined is without limit. */
  readonly drainTimeoutMs: number | undefined;
  readonly maxPackageBytes: number;
}

export interface CallSettings {
  readonly maxMessageBytes: number;
  readonly defaultTimeoutMs: number;
  readonly maxTimeoutMs: number;
  readonly retry: RetrySettings;
  readonly connectTimeoutMs: number;
  readonly maxOpenCalls: number;
  readonly drainTimeoutMs: number;
}

export interface RetrySettings {
  readonly maxAttempts: number;
  readonly budgetPercent: number;
  readonly reservePerSecond: number;
  readonly budgetWindowMs: number;
  readonly maxBufferBytes: number;
  readonly holdHeadMs: number;
}

export interface CorsSettings {
  readonly allowOrigins: readonly string[];
  readonly allowCredentials: boolean;
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number;
}

/** Calls that are treated in a way of their own. */
export interface RouteSettings {
  readonly name: string;
  readonly service: string | undefined;
  readonly method: string | undefined;
  /** Request fields with their values; undefined is any. */
  readonly headers: readonly HeaderMatch[];
  readonly calls: CallPolicy;
}

export interface HeaderMatch {
  readonly name: string;
  readonly value: string | undefined;
}

export interface IdentitySettings {
  /** Absolute path. */
  readonly jwksFile: string;
  readonly issuer: string | undefined;
  readonly audience: string;
  readonly required: boolean;
}

export interface SharedLimitSettings {
  readonly url: string;
  /** Absolute path. */
  readonly passwordFile: string | undefined;
  readonly timeoutMs: number;
}

export interface ServiceSettings {
  /** Undefined says nothing of it. */
  readonly balancing: BalancingSettings | undefined;
  readonly limits: Partial<ServiceLimits>;
  /** As the file has it: names and field numbers are filled in once it is known which service it is for. */
  readonly calls: CallPolicy;
  readonly methods: Readonly<Record<string, CallPolicy>>;
  /** Absolute path of a gRPC service config. */
  readonly serviceConfigFile: string | undefined;
  /** Undefined takes `discovery.healthCheck`. */
  readonly healthCheck: CheckSettings | undefined;
  /** Undefined is without limit. */
  readonly loadLimit: LoadLimitSettings | undefined;
  /** Undefined calls those endpoints over TLS that say that they speak it, by what Node trusts. */
  readonly tls: UpstreamTlsSettings | undefined;
}

/** How endpoints are called over TLS. Files are absolute paths; their contents are in `discovery.files`. */
export interface UpstreamTlsSettings {
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Undefined is the endpoint's host. */
  readonly serverName: string | undefined;
  readonly insecureSkipVerify: boolean;
  /** False leaves endpoints in the clear that do not say that they speak TLS. */
  readonly required: boolean;
}

/** What the command line may set over the file. */
export interface SettingsOverrides {
  /** Port of the listener that takes calls. */
  readonly port?: number;
  readonly operatorPort?: number;
  readonly workers?: number;
  /** Relative to the working directory. */
  readonly stateDir?: string;
  /** "http://host:port"; switches the registry inside the gateway off. */
  readonly registry?: string;
}
