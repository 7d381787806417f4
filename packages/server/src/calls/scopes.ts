import type { CallPolicy, MethodFacts } from '@bascule/core';
import {
  findFields,
  namePolicy,
  parseServiceConfig,
  Place,
  type ConfigProblem,
  type ServiceConfig,
} from '@bascule/layers';
import { factsOfMethod, findFieldPath } from '@bascule/schema';
import type { DescMethod } from '@bufbuild/protobuf';
import type { ServeCalls, ServerCallLimits } from './options.ts';
import { mayHave } from './option-place.ts';
import { readPolicy, type ScopePolicy } from './read-policy.ts';

/** How calls of one method are treated. */
export interface MethodPlan {
  readonly facts: MethodFacts;
  readonly policy: CallPolicy;
  /** The same object for all methods that share their places. */
  readonly limits: ServerCallLimits | undefined;
}

/** Who asks whether a server is there, or what it serves, must not be told that it is busy. */
const INTROSPECTION = /^grpc\.(health|reflection)\./;
const EVERYTHING = '*';
const NOTHING: ScopePolicy = { policy: {}, limits: undefined };

/** What the options say of calls, by the methods that are served. */
export class Scopes {
  readonly #scopes = new Map<string, ScopePolicy>();
  readonly #problems: ConfigProblem[] = [];
  readonly #config: ServiceConfig | undefined;
  readonly #methods: { readonly desc: DescMethod; readonly facts: MethodFacts }[] = [];
  readonly #calls: ServeCalls;

  constructor(calls: ServeCalls) {
    this.#calls = calls;
    const root = new Place(calls, 'calls', this.#problems);
    mayHave(root, ['policies', 'serviceConfig', 'identify', 'sharedLimits', 'onRefused']);
    const identify = root.field('identify');
    const verify = identify.field('verify').raw();
    if (identify.isThere() && typeof verify !== 'function') identify.field('verify').problem('must be a function');
    for (const scope of root.field('policies').names()) {
      this.#scopes.set(scope, readPolicy(new Place(calls.policies?.[scope], pathOf(scope), this.#problems)));
    }
    const text = root.field('serviceConfig').string();
    if (text === undefined) return;
    this.#config = parseServiceConfig(text);
    for (const { path, message } of this.#config.problems) {
      this.#problems.push({ path: 'calls.serviceConfig', message: `${path} ${message}`.trim() });
    }
  }

  /** Puts the scopes together, the wider first: "*", gRPC's config, the service, the method. */
  planOf(desc: DescMethod): MethodPlan {
    const facts = factsOfMethod(desc);
    this.#methods.push({ desc, facts });
    const { service, method } = facts;
    const scope = `${service}/${method}`;
    const isAsked = INTROSPECTION.test(service);
    const general = (isAsked ? undefined : this.#scopes.get(EVERYTHING)) ?? NOTHING;
    const own = this.#scopes.get(service) ?? NOTHING;
    const narrow = this.#scopes.get(scope) ?? NOTHING;
    const policy = {
      ...namePolicy(general.policy, service),
      // What it says of repeats no layer of a server reads.
      ...(isAsked ? {} : this.#config?.policyOf(service, method)),
      ...namePolicy(own.policy, service),
      ...namePolicy(narrow.policy, scope),
    };
    return {
      facts,
      policy: findFields(policy, (path) => findFieldPath(desc.input, path)),
      limits: narrow.limits ?? own.limits ?? general.limits,
    };
  }

  /** Once every method has been asked for. Throws an Error with all that is wrong, by the paths of the options. */
  validate(): void {
    for (const [scope, { policy }] of this.#scopes) this.#validateScope(scope, policy);
    if (this.#problems.length === 0) return;
    throw new Error(this.#problems.map(({ path, message }) => `${path} ${message}`).join('; '));
  }

  #validateScope(scope: string, policy: CallPolicy): void {
    const path = pathOf(scope);
    const methods = this.#methods.filter(({ facts }) => holdsFor(scope, facts));
    const services = [...new Set(this.#methods.map(({ facts }) => facts.service))];
    if (methods.length === 0 && scope !== EVERYTHING) {
      this.#problem(path, `names nothing that is served here; there is "*", ${services.join(', ')}, and their methods`);
      return;
    }
    policy.rateLimits?.forEach(({ key, shared }, index) => {
      if (shared === true && this.#calls.sharedLimits === undefined) {
        this.#problem(`${path}.rateLimits[${index}].shared`, 'needs somewhere to be counted: give calls.sharedLimits');
      }
      const at = `${path}.rateLimits[${index}].key`;
      if (key?.from === 'claim' && this.#calls.identify === undefined) {
        this.#problem(at, 'is a claim, but nobody reads tokens: give calls.identify as well');
      }
      if (key?.from !== 'field' || methods.some(({ desc }) => findFieldPath(desc.input, key.field.path))) return;
      this.#problem(`${at}.path`, `"${key.field.path}" is no text, number or bytes of any request that this is for`);
    });
    if (scope === EVERYTHING) return;
    if (policy.cache !== undefined && !methods.some(({ facts }) => mayBeKept(facts))) {
      this.#problem(`${path}.cache`, 'is for unary methods with idempotency_level = NO_SIDE_EFFECTS, and here is none');
    }
    if (policy.concurrency !== undefined && !methods.some(({ facts }) => facts.kind === 'unary')) {
      this.#problem(`${path}.concurrency`, 'is for unary methods, and here is none: streams have limits.maxStreams');
    }
  }

  #problem(path: string, message: string): void {
    this.#problems.push({ path, message });
  }
}

/** Whether a method's answers may be kept for other callers. */
export function mayBeKept({ kind, idempotency }: MethodFacts): boolean {
  return kind === 'unary' && idempotency === 'no_side_effects';
}

function holdsFor(scope: string, { service, method }: MethodFacts): boolean {
  if (scope === EVERYTHING) return !INTROSPECTION.test(service);
  return scope === service || scope === `${service}/${method}`;
}

function pathOf(scope: string): string {
  return `calls.policies["${scope}"]`;
}
