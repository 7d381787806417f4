import type { CallPolicy, FieldPath, MethodFacts } from '@bascule/core';
import { findFields, namePolicy, usesFields } from '@bascule/layers';
import type { Settings } from '../config/settings-types.ts';
import type { RouteRule } from '../snapshot.ts';
import { ownSettings } from './own-settings.ts';

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
  const own = ownSettings(settings.services, service);
  const wide: CallPolicy = { ...baseOf(settings), ...namePolicy(general, service), ...input.grpcPolicyOf('') };
  const policy = { ...wide, ...namePolicy(own?.calls ?? {}, service) };
  const methodPolicies: Record<string, CallPolicy> = Object.create(null) as Record<string, CallPolicy>;
  const names = new Set([...methods.map(({ method }) => method), ...Object.keys(own?.methods ?? {})]);
  for (const method of names) {
    const scope = `${service}/${method}`;
    const grpc = input.grpcPolicyOf(method);
    const methodOwn = own !== undefined && Object.hasOwn(own.methods, method) ? own.methods[method] : undefined;
    if (Object.keys(grpc).length === 0 && methodOwn === undefined && !usesFields(policy)) continue;
    const merged = {
      ...wide,
      ...grpc,
      ...namePolicy(own?.calls ?? {}, service),
      ...namePolicy(methodOwn ?? {}, scope),
    };
    methodPolicies[method] = findFields(merged, (path) => input.fieldOf(method, path));
  }
  return { policy: findFields(policy, () => undefined), methodPolicies, routes: compileRoutes(input) };
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
    const policy = namePolicy(calls, `route ${name}`);
    if (!usesFields(policy)) return [{ name, method, headers, policy }];
    const about = methods.filter((facts) => method === undefined || facts.method === method);
    return about.map((facts) => ({
      name,
      method: facts.method,
      headers,
      policy: findFields(policy, (path) => input.fieldOf(facts.method, path)),
    }));
  });
}
