import { resolveBalancing, type BalancingPolicy } from '@bascule/balancer';
import type { Endpoint, MethodFacts } from '@bascule/core';
import type { ModuleGroup } from '@bascule/modules';
import { methodFactsOf } from '@bascule/schema';
import type { PolicySetting } from '../config/settings-types.ts';
import type { Settings } from '../config/settings.ts';
import type { ClusterSnapshot, Policies, SchemaSnapshot, Snapshot } from '../snapshot.ts';

export interface CompileInput {
  readonly revision: number;
  readonly settings: Settings;
  readonly settingsRevision: number;
  readonly endpoints: readonly Endpoint[];
  readonly groups: readonly ModuleGroup[];
  /** Methods by schema digest; undefined when the schema is not known (yet). */
  methodsOf(digest: string): readonly MethodFacts[] | undefined;
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
    policies: compilePolicies(input.settings, input.settingsRevision),
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
  const policies = input.settings.services;
  // A service may be called "constructor".
  const policy = policies[Object.hasOwn(policies, service) ? service : '*'];
  return {
    service,
    balancing: balancingOf(policy?.policy ?? 'least-request'),
    defaultTimeoutMs: policy?.defaultTimeoutMs,
    maxAttempts: policy?.maxAttempts,
    endpoints,
    methods: mergeMethods(service, endpoints, input),
    readsLoad: policy?.loadLimit !== undefined,
  };
}

function balancingOf(name: PolicySetting): BalancingPolicy {
  switch (name) {
    case 'round-robin':
    case 'random':
      return resolveBalancing({ policy: { name, weighted: true } });
    case 'least-request':
      return resolveBalancing();
    default:
      return name satisfies never;
  }
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

function compilePolicies(settings: Settings, revision: number): Policies {
  const { calls, cors, observe, listener } = settings;
  return {
    revision,
    maxMessageBytes: calls.maxMessageBytes,
    defaultTimeoutMs: calls.defaultTimeoutMs,
    maxTimeoutMs: calls.maxTimeoutMs,
    connectTimeoutMs: calls.connectTimeoutMs,
    maxOpenCalls: calls.maxOpenCalls,
    retry: calls.retry,
    cors,
    exposeEndpoint: observe.exposeEndpoint,
    staticDir: listener.staticDir,
    accessLog: observe.accessLog,
  };
}

/** More than are in use at once; the oldest goes first and is read again if it is still needed. */
const MAX_SCHEMAS = 512;

/** Remembers the methods of each schema: reading descriptors costs milliseconds, pictures are made often. */
export function createMethodCache(
  schemaOf: (digest: string) => Uint8Array | undefined,
  log: (message: string) => void,
) {
  const known = new Map<string, readonly MethodFacts[]>();
  return (digest: string): readonly MethodFacts[] | undefined => {
    const facts = known.get(digest);
    if (facts !== undefined) return facts;
    const schema = schemaOf(digest);
    if (schema === undefined) return undefined;
    const read = readMethods(digest, schema, log);
    known.set(digest, read);
    if (known.size > MAX_SCHEMAS) known.delete(known.keys().next().value as string);
    return read;
  };
}

function readMethods(digest: string, schema: Uint8Array, log: (message: string) => void): readonly MethodFacts[] {
  try {
    return methodFactsOf(schema);
  } catch (error) {
    // A broken schema makes its methods unknown, which is safe; it must not stop the others.
    log(`schema ${digest} cannot be read: ${(error as Error).message}`);
    return [];
  }
}
