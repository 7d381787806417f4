import { isAbsolute, join, resolve } from 'node:path';
import {
  Policy,
  type Calls,
  type Config,
  type Cors,
  type Listener,
  type Modules,
  type Retry,
  type ServicePolicy,
  type Tls,
} from '@bascule/schema/gen/bascule/config/v1/config_pb.ts';
import type {
  CallSettings,
  CorsSettings,
  ListenerSettings,
  ModuleSettings,
  PolicySetting,
  RetrySettings,
  ServiceSettings,
  Settings,
  SettingsOverrides,
  TlsSettings,
} from './settings-types.ts';
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
  return {
    listener: resolveListener(config.listener, toPath),
    operator: { port: config.operator?.port ?? 9090 },
    discovery: resolveDiscovery(config.discovery, toPath),
    modules: resolveModules(config.modules, toPath),
    calls: resolveCalls(config.calls),
    cors: resolveCors(config.cors),
    observe: {
      accessLog: resolveAccessLog(config.observe?.accessLog ?? 'stdout', toPath),
      exposeEndpoint: config.observe?.exposeEndpoint ?? false,
    },
    stateDir: toPath(config.stateDir ?? '.bascule'),
    services: Object.fromEntries(
      Object.entries(config.services).map(([name, policy]) => [name, resolveService(policy)]),
    ),
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

function resolveService(service: ServicePolicy): ServiceSettings {
  return {
    policy: POLICY_NAMES[service.policy] ?? 'least-request',
    defaultTimeoutMs: service.defaultTimeout === undefined ? undefined : toMs(service.defaultTimeout, 0),
    maxAttempts: service.maxAttempts,
    healthCheck: service.healthCheck && resolveHealthCheck(service.healthCheck),
    loadLimit: service.loadLimit && resolveLoadLimit(service.loadLimit),
  };
}

/** Unset is the default as well. */
const POLICY_NAMES: Readonly<Record<Policy, PolicySetting>> = {
  [Policy.UNSPECIFIED]: 'least-request',
  [Policy.ROUND_ROBIN]: 'round-robin',
  [Policy.RANDOM]: 'random',
  [Policy.LEAST_REQUEST]: 'least-request',
};
