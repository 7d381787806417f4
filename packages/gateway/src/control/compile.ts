import { resolveBalancing } from '@bascule/balancer';
import type { Endpoint, FieldPath, MethodFacts, ServiceLimits } from '@bascule/core';
import type { ModuleGroup } from '@bascule/modules';
import type { CallSettings, Settings } from '../config/settings-types.ts';
import { upstreamTlsOf } from './upstream-tls.ts';
import { serviceConfigOf } from './service-configs.ts';
import { compilePolicies } from './compile-policies.ts';
import { ownSettings } from './own-settings.ts';
import type { ClusterSnapshot, Policies, SchemaSnapshot, Snapshot } from '../snapshot.ts';

export interface CompileInput {
  readonly revision: number;
  readonly settings: Settings;
  readonly settingsRevision: number;
  /** `sha256:<hex>`. */
  readonly operatorTokenDigest: string;
  readonly endpoints: readonly Endpoint[];
  readonly groups: readonly ModuleGroup[];
  /** Methods by schema digest; undefined when the schema is not known (yet). */
  methodsOf(digest: string): readonly MethodFacts[] | undefined;
  /** A field of a method's request by the schema of a digest; undefined where it has none. */
  fieldOf(digest: string, service: string, method: string, path: string): FieldPath | undefined;
  /** Descriptors by digest; undefined as above. */
  schemaOf(digest: string): Uint8Array | undefined;
}

/** Computes the picture that the data side works by. Pure: the same input gives the same picture. */
export function compileSnapshot(input: CompileInput): Snapshot {
  const endpoints = [...input.endpoints, ...input.groups.map((group) => group.endpoint)];
  const byService = groupByService(endpoints);
  return {
    revision: input.revision,
    clusters: [...byService.keys()]
      .sort()
      .map((service) => compileCluster(service, byService.get(service) ?? [], input)),
    schemas: compileSchemas(endpoints, input),
    policies: compileGeneral(input),
  };
}

function groupByService(endpoints: readonly Endpoint[]): Map<string, Endpoint[]> {
  const groups = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    for (const service of endpoint.services) {
      const group = groups.get(service);
      if (group === undefined) groups.set(service, [endpoint]);
      // A configuration may name a service twice.
      else if (group.at(-1) !== endpoint) group.push(endpoint);
    }
  }
  return groups;
}

function compileCluster(service: string, endpoints: readonly Endpoint[], input: CompileInput): ClusterSnapshot {
  const { services, calls } = input.settings;
  const settings = ownSettings(services, service);
  const general = services['*'];
  const methods = mergeMethods(service, endpoints, input);
  const config = serviceConfigOf(service, input.settings);
  return {
    service,
    balancing: resolveBalancing(settings?.balancing ?? general?.balancing ?? config.balancing),
    limits: { ...limitsOf(calls), ...general?.limits, ...settings?.limits },
    ...compilePolicies({
      settings: input.settings,
      service,
      methods,
      grpcPolicyOf: (method) => config.policyOf(method),
      fieldOf: (method, path) => findField(service, method, path, endpoints, input),
    }),
    ...(config.retryThrottling && { retryThrottling: config.retryThrottling }),
    endpoints,
    methods,
    readsLoad: (settings?.loadLimit ?? general?.loadLimit) !== undefined,
    tls: upstreamTlsOf(service, input.settings),
  };
}

function limitsOf({ maxOpenCalls }: CallSettings): ServiceLimits {
  return { maxCalls: maxOpenCalls, maxPending: 1_024 };
}

/** By the first schema in use that has it: schemas that differ in the number of a field are not served together. */
function findField(
  service: string,
  method: string,
  path: string,
  endpoints: readonly Endpoint[],
  input: CompileInput,
): FieldPath | undefined {
  for (const digest of new Set(endpoints.map((endpoint) => endpoint.schemaDigest))) {
    const found = input.fieldOf(digest, service, method, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Methods over all schemas in use. Where two disagree about repeating a call, the careful one holds: an endpoint that
 * does not promise idempotency must not get a call twice.
 */
function mergeMethods(service: string, endpoints: readonly Endpoint[], input: CompileInput): MethodFacts[] {
  const merged = new Map<string, MethodFacts>();
  for (const digest of new Set(endpoints.map((endpoint) => endpoint.schemaDigest))) {
    for (const facts of input.methodsOf(digest) ?? []) {
      if (facts.service !== service) continue;
      const known = merged.get(facts.method);
      if (known === undefined) merged.set(facts.method, facts);
      else if (known.idempotency !== facts.idempotency) merged.set(facts.method, { ...known, idempotency: 'unknown' });
    }
  }
  return [...merged.values()];
}

/** Only those that JSON must be converted by: megabytes for each data thread. */
function compileSchemas(endpoints: readonly Endpoint[], input: CompileInput): SchemaSnapshot[] {
  const digests = new Set(endpoints.filter(({ codecs }) => !codecs.includes('json')).map((e) => e.schemaDigest));
  return [...digests].flatMap((digest) => {
    const bytes = input.schemaOf(digest);
    return bytes === undefined ? [] : [{ digest, bytes }];
  });
}

function compileGeneral(input: CompileInput): Policies {
  const { settings, settingsRevision: revision, operatorTokenDigest } = input;
  const { calls, cors, observe, listener, identity, sharedLimits, discovery } = settings;
  const textOf = (file: string | undefined): string | undefined => {
    const bytes = file === undefined ? undefined : discovery.files.get(file);
    return bytes && new TextDecoder().decode(bytes);
  };
  return {
    revision,
    maxMessageBytes: calls.maxMessageBytes,
    defaultTimeoutMs: calls.defaultTimeoutMs,
    maxTimeoutMs: calls.maxTimeoutMs,
    retryBudget: {
      percent: calls.retry.budgetPercent,
      reservePerSecond: calls.retry.reservePerSecond,
      windowMs: calls.retry.budgetWindowMs,
    },
    cors,
    exposeEndpoint: observe.exposeEndpoint,
    explain: observe.explain,
    operatorTokenDigest,
    identity: identity && {
      jwks: textOf(identity.jwksFile) ?? '',
      issuer: identity.issuer,
      audience: identity.audience,
      required: identity.required,
    },
    sharedLimits: sharedLimits && {
      url: sharedLimits.url,
      password: textOf(sharedLimits.passwordFile)?.trim(),
      timeoutMs: sharedLimits.timeoutMs,
    },
    staticDir: listener.staticDir,
    accessLog: observe.accessLog,
  };
}
