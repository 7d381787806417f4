import { isAbsolute, join, resolve } from 'node:path';
import type { CallPolicy, ServiceLimits } from '@bascule/core';
import type { CallPolicy as CallPolicyMessage } from '@bascule/schema/gen/bascule/config/v1/call_policy_pb.ts';
import {
  Explain,
  type Calls,
  type Config,
  type Cors,
  type Identity,
  type Limits,
  type Listener,
  type Modules,
  type Retry,
  type Route,
  type ServicePolicy,
  type SharedLimits,
  type Tls,
  type UpstreamTls,
} from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import type {
  CallSettings,
  CorsSettings,
  IdentitySettings,
  ListenerSettings,
  ModuleSettings,
  RetrySettings,
  RouteSettings,
  ServiceSettings,
  Settings,
  SettingsOverrides,
  SharedLimitSettings,
  TlsSettings,
  UpstreamTlsSettings,
} from './settings-types.ts';
import { resolveBalancingSettings } from './balancing-settings.ts';
import { resolveCallPolicy } from './call-settings.ts';
import { resolveDiscovery, resolveHealthCheck, resolveLoadLimit } from './discovery-settings.ts';
import { toMs } from './duration.ts';

export type { Settings } from './settings-types.ts';

const MIB = 1_048_576;

/**
 * The configuration message as plain options, with every default in place. The defaults are the ones that the .proto
 * states. Paths come out absolute: `baseDir` is the folder of the file.
 */
export function resolveSettings(config: Config, baseDir: string): Settings {
  const toPath = (path: string): string => (isAbsolute(path) ? path : join(resolve(baseDir), path));
  const zone = config.zone ?? '';
  const calls = resolveCalls(config.calls);
  const context = { zone, retry: calls.retry, toPath };
  return {
    listener: resolveListener(config.listener, toPath),
    operator: { port: config.operator?.port ?? 9090 },
    discovery: resolveDiscovery(config.discovery, toPath),
    modules: resolveModules(config.modules, toPath),
    calls,
    cors: resolveCors(config.cors),
    observe: {
      accessLog: resolveAccessLog(config.observe?.accessLog ?? 'stdout', toPath),
      exposeEndpoint: config.observe?.exposeEndpoint ?? false,
      explain: EXPLAINS.get(config.observe?.explain ?? Explain.UNSPECIFIED) ?? 'operator',
    },
    stateDir: toPath(config.stateDir ?? '.bascule'),
    services: Object.fromEntries(
      Object.entries(config.services).map(([name, policy]) => [name, resolveService(policy, context)]),
    ),
    routes: config.routes.map((route, index) => resolveRoute(route, index, calls.retry)),
    identity: config.identity && resolveIdentity(config.identity, toPath),
    sharedLimits: config.sharedLimits && resolveSharedLimits(config.sharedLimits, toPath),
    zone,
  };
}

/** What the command line says wins over the file. */
export function applyOverrides(settings: Settings, overrides: SettingsOverrides): Settings {
  const { listener, operator, discovery } = settings;
  const registry = overrides.registry ?? discovery.registry;
  return {
    ...settings,
    listener: { ...listener, port: overrides.port ?? listener.port, workers: overrides.workers ?? listener.workers },
    operator: { port: overrides.operatorPort ?? operator.port },
    discovery: {
      ...discovery,
      registry,
      embeddedRegistry: overrides.registry === undefined ? discovery.embeddedRegistry : false,
    },
    stateDir: overrides.stateDir === undefined ? settings.stateDir : resolve(overrides.stateDir),
  };
}

function resolveListener(listener: Listener | undefined, toPath: (path: string) => string): ListenerSettings {
  return {
    host: listener?.host ?? '127.0.0.1',
    port: listener?.port ?? 8080,
    staticDir: listener?.staticDir === undefined ? undefined : toPath(listener.staticDir),
    workers: listener?.workers ?? 0,
    tls: listener?.tls === undefined ? undefined : resolveTls(listener.tls, toPath),
  };
}

function resolveTls({ certFile, keyFile, clientCaFile }: Tls, toPath: (path: string) => string): TlsSettings {
  return {
    certFile: toPath(certFile),
    keyFile: toPath(keyFile),
    clientCaFile: clientCaFile === undefined ? undefined : toPath(clientCaFile),
  };
}

function resolveModules(modules: Modules | undefined, toPath: (path: string) => string): ModuleSettings {
  const maxPackageBytes = modules?.maxPackageBytes;
  return {
    watch: (modules?.watch ?? []).map(toPath),
    maxHeapMib: modules?.maxHeapMib ?? 256,
    maxExternalMib: modules?.maxExternalMib ?? 256,
    loadTimeoutMs: toMs(modules?.loadTimeout, 10_000),
    drainTimeoutMs: modules?.drainTimeout === undefined ? undefined : toMs(modules.drainTimeout, 0),
    maxPackageBytes:
      maxPackageBytes === undefined ? 50 * MIB : Math.min(Number(maxPackageBytes), Number.MAX_SAFE_INTEGER),
  };
}

function resolveCalls(calls: Calls | undefined): CallSettings {
  return {
    maxMessageBytes: calls?.maxMessageBytes ?? 4 * MIB,
    defaultTimeoutMs: toMs(calls?.defaultTimeout, 15_000),
    maxTimeoutMs: toMs(calls?.maxTimeout, 3_600_000),
    retry: resolveRetry(calls?.retry),
    connectTimeoutMs: toMs(calls?.connectTimeout, 1000),
    maxOpenCalls: calls?.maxOpenCalls ?? 1024,
    drainTimeoutMs: toMs(calls?.drainTimeout, 30_000),
  };
}

function resolveRetry(retry: Retry | undefined): RetrySettings {
  return {
    maxAttempts: retry?.maxAttempts ?? 3,
    budgetPercent: retry?.budgetPercent ?? 20,
    reservePerSecond: retry?.reservePerSecond ?? 10,
    budgetWindowMs: toMs(retry?.budgetWindow, 10_000),
    maxBufferBytes: retry?.maxBufferBytes ?? 262_144,
    holdHeadMs: toMs(retry?.holdHead, 20),
  };
}

function resolveCors(cors: Cors | undefined): CorsSettings {
  return {
    allowOrigins: [...(cors?.allowOrigins ?? [])],
    allowCredentials: cors?.allowCredentials ?? false,
    allowHeaders: [...(cors?.allowHeaders ?? [])],
    exposeHeaders: [...(cors?.exposeHeaders ?? [])],
    maxAgeSeconds: Math.floor(toMs(cors?.maxAge, 7_200_000) / 1000),
  };
}

function resolveAccessLog(name: string, toPath: (path: string) => string): string {
  return name === 'stdout' || name === 'off' ? name : toPath(name);
}

function resolveService(service: ServicePolicy, context: ServiceContext): ServiceSettings {
  const { policy, balancing, limits, calls, methods, healthCheck, loadLimit, serviceConfig, tls } = service;
  const { zone, retry, toPath } = context;
  const callsOf = (own: CallPolicyMessage | undefined): CallPolicy => (own ? resolveCallPolicy(own, retry) : {});
  return {
    balancing: resolveBalancingSettings(policy, balancing, zone),
    limits: limits ? resolveLimits(limits) : {},
    calls: { ...shorthandsOf(service, retry), ...callsOf(calls) },
    methods: Object.fromEntries(Object.entries(methods).map(([name, own]) => [name, callsOf(own)])),
    serviceConfigFile: serviceConfig === undefined ? undefined : toPath(serviceConfig),
    healthCheck: healthCheck && resolveHealthCheck(healthCheck),
    loadLimit: loadLimit && resolveLoadLimit(loadLimit),
    tls: tls && resolveUpstreamTls(tls, toPath),
  };
}

function resolveUpstreamTls(tls: UpstreamTls, toPath: (path: string) => string): UpstreamTlsSettings {
  const { caFile, certFile, keyFile, serverName, insecureSkipVerify = false, required = true } = tls;
  return {
    caFile: caFile && toPath(caFile),
    certFile: certFile && toPath(certFile),
    keyFile: keyFile && toPath(keyFile),
    serverName,
    insecureSkipVerify,
    required,
  };
}

interface ServiceContext {
  readonly zone: string;
  readonly retry: RetrySettings;
  readonly toPath: (path: string) => string;
}

/** The two fields that are short for one of `calls`. */
function shorthandsOf({ defaultTimeout, maxAttempts }: ServicePolicy, retry: RetrySettings): CallPolicy {
  return {
    ...(defaultTimeout && { defaultTimeoutMs: toMs(defaultTimeout, 0) }),
    ...(maxAttempts !== undefined && {
      retry: { maxAttempts, maxBufferBytes: retry.maxBufferBytes, holdHeadMs: retry.holdHeadMs },
    }),
  };
}

function resolveLimits({ maxCalls, maxStreams, maxPending, maxRetries }: Limits): Partial<ServiceLimits> {
  return {
    ...(maxCalls !== undefined && { maxCalls }),
    ...(maxStreams !== undefined && { maxStreams }),
    ...(maxPending !== undefined && { maxPending }),
    ...(maxRetries !== undefined && { maxRetries }),
  };
}

function resolveRoute(route: Route, index: number, retry: RetrySettings): RouteSettings {
  return {
    name: route.name ?? String(index),
    service: route.service,
    method: route.method,
    headers: Object.entries(route.headers).map(([name, value]) => ({ name, value: value === '*' ? undefined : value })),
    calls: route.calls === undefined ? {} : resolveCallPolicy(route.calls, retry),
  };
}

function resolveIdentity(identity: Identity, toPath: (path: string) => string): IdentitySettings {
  const { jwksFile, issuer, audience, required = false } = identity;
  return { jwksFile: toPath(jwksFile), issuer, audience, required };
}

function resolveSharedLimits(shared: SharedLimits, toPath: (path: string) => string): SharedLimitSettings {
  const { url, passwordFile, timeout } = shared;
  return {
    url,
    passwordFile: passwordFile === undefined ? undefined : toPath(passwordFile),
    timeoutMs: toMs(timeout, 50),
  };
}

const EXPLAINS: ReadonlyMap<Explain, Settings['observe']['explain']> = new Map<Explain, Settings['observe']['explain']>(
  [
    [Explain.OFF, 'off'],
    [Explain.ANYBODY, 'anybody'],
  ],
);
