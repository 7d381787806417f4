import type { CallKey, CallPolicy, FieldPath, MethodFacts } from '@bascule/core';
import type { Settings } from '../config/settings-types.ts';
import type { RouteRule } from '../snapshot.ts';

export interface PolicyInput {
  readonly settings: Pick<Settings, 'calls' | 'routes' | 'services'>;
  readonly service: string;
  readonly methods: readonly MethodFacts[];
  /** Of the service's gRPC service config; empty without one. */
  grpcPolicyOf(method: string): CallPolicy;
  /** A field of a method's request; undefined where no schema has it. */
  fieldOf(method: string, path: string): FieldPath | undefined;
}

/** How calls of one service are treated. */
export interface CompiledPolicies {
  /** Calls of methods that are not listed. */
  readonly policy: CallPolicy;
  readonly methodPolicies: Readonly<Record<string, CallPolicy>>;
  readonly routes: readonly RouteRule[];
}

/** Puts the scopes together, the wider first: all calls, "*", gRPC's config, the service, the method, the route. */
export function compilePolicies(input: PolicyInput): CompiledPolicies {
  const { settings, service, methods } = input;
  const general = settings.services['*']?.calls ?? {};
  const own = ownSettings(input);
  const wide: CallPolicy = { ...baseOf(settings), ...named(general, service), ...input.grpcPolicyOf('') };
  const policy = { ...wide, ...named(own?.calls ?? {}, service) };
  const methodPolicies: Record<string, CallPolicy> = Object.create(null) as Record<string, CallPolicy>;
  const names = new Set([...methods.map(({ method }) => method), ...Object.keys(own?.methods ?? {})]);
  for (const method of names) {
    const scope = `${service}/${method}`;
    const grpc = input.grpcPolicyOf(method);
    const methodOwn = own !== undefined && Object.hasOwn(own.methods, method) ? own.methods[method] : undefined;
    if (Object.keys(grpc).length === 0 && methodOwn === undefined && !usesFields(policy)) continue;
    const merged = { ...wide, ...grpc, ...named(own?.calls ?? {}, service), ...named(methodOwn ?? {}, scope) };
    methodPolicies[method] = withFields(merged, (path) => input.fieldOf(method, path));
  }
  return { policy: withFields(policy, () => undefined), methodPolicies, routes: compileRoutes(input) };
}

/** A service may be called "constructor". */
function ownSettings({ settings, service }: PolicyInput): Settings['services'][string] | undefined {
  return Object.hasOwn(settings.services, service) ? settings.services[service] : undefined;
}

function baseOf({ calls }: Pick<Settings, 'calls'>): CallPolicy {
  const { maxAttempts, maxBufferBytes, holdHeadMs } = calls.retry;
  return { retry: { maxAttempts, maxBufferBytes, holdHeadMs }, connectTimeoutMs: calls.connectTimeoutMs };
}

/** What routes set, for each method that they are about: fields of messages differ by method. */
function compileRoutes(input: PolicyInput): RouteRule[] {
  const { settings, service, methods } = input;
  return settings.routes.flatMap(({ name, service: only, method, headers, calls }): RouteRule[] => {
    if (only !== undefined && only !== service) return [];
    const policy = named(calls, `route ${name}`);
    if (!usesFields(policy)) return [{ name, method, headers, policy }];
    const about = methods.filter((facts) => method === undefined || facts.method === method);
    return about.map((facts) => ({
      name,
      method: facts.method,
      headers,
      policy: withFields(policy, (path) => input.fieldOf(facts.method, path)),
    }));
  });
}

/** Gives states that have no name the one of their scope, so that they last over changes of the configuration. */
function named(policy: CallPolicy, scope: string): CallPolicy {
  const { rateLimits, breaker, concurrency, admission } = policy;
  return {
    ...policy,
    ...(rateLimits && {
      rateLimits: rateLimits.map((limit, index) => ({ ...limit, name: limit.name || `${scope}#${index}` })),
    }),
    ...(breaker && { breaker: { ...breaker, name: breaker.name || scope } }),
    ...(concurrency && { concurrency: { ...concurrency, name: concurrency.name || scope } }),
    ...(admission && { admission: { ...admission, name: admission.name || scope } }),
  };
}

function usesFields({ rateLimits = [], affinity }: CallPolicy): boolean {
  return (
    rateLimits.some(({ key }) => key?.from === 'field') || (affinity?.keys ?? []).some((key) => key.from === 'field')
  );
}

type FindField = (path: string) => FieldPath | undefined;

/**
 * Fills in where the fields of keys are. A limit whose field is not there counts all calls together, which is the
 * careful way; an affinity goes on with its other keys.
 */
function withFields(policy: CallPolicy, find: FindField): CallPolicy {
  if (!usesFields(policy)) return policy;
  const { rateLimits, affinity } = policy;
  return {
    ...policy,
    ...(rateLimits && {
      rateLimits: rateLimits.map((limit) => {
        const { key: unresolved, ...rest } = limit;
        const key = unresolved && resolveKey(unresolved, find);
        return key === undefined ? rest : { ...rest, key };
      }),
    }),
    ...(affinity && {
      affinity: { ...affinity, keys: affinity.keys.flatMap((key) => resolveKey(key, find) ?? []) },
    }),
  };
}

function resolveKey(key: CallKey, find: FindField): CallKey | undefined {
  if (key.from !== 'field') return key;
  const field = find(key.field.path);
  return field && { from: 'field', field };
}
