import type { CallPolicy } from '@bascule/core';
import type { RetryThrottleOptions } from '../retry/throttle.ts';
import { readMethodConfig } from './method-config.ts';
import { Place, type ConfigProblem } from './place.ts';

/** A gRPC service config, as what layers and balancers take. */
export interface ServiceConfig {
  /**
   * How calls of a method are treated: by the entry that names the method, else by the one that names its service, else
   * by the one with an empty name. One entry counts, whole. Empty where none does: then the defaults hold.
   */
  policyOf(service: string, method: string): CallPolicy;
  /** For `createRetryThrottle`, one for all services of the server. */
  readonly throttle: RetryThrottleOptions | undefined;
  /** Policies of load balancing as they stand there, best first: each a name with its own configuration. */
  readonly loadBalancing: readonly LoadBalancingChoice[];
  /** Endpoints are asked for the health of this service. */
  readonly healthCheck: { readonly serviceName: string } | undefined;
  /** Empty where all is well. Otherwise nothing of the config counts, as gRPC has it. */
  readonly problems: readonly ConfigProblem[];
}

export interface LoadBalancingChoice {
  readonly name: string;
  readonly config: unknown;
}

const NO_CONFIG: CallPolicy = {};

/**
 * Reads a service config. Never throws: what is wrong stands in `problems`, all of it. Fields that are not known are let
 * be, as configs are written for clients of several ages. Source: grpc/doc/service_config.md, gRFC A6 and A2, and
 * service_config.proto for what these leave out.
 *
 * What is different here: hedging holds for methods alone that say that running them twice does no harm; methods without
 * a policy of their own have the default retries.
 */
export function parseServiceConfig(text: string): ServiceConfig {
  const problems: ConfigProblem[] = [];
  const root = new Place(parseJson(text, problems), '', problems);
  if (problems.length === 0 && !root.isThere()) root.problem('must be an object');
  const isObject = root.isObject();
  const methods = isObject ? readMethods(root.field('methodConfig')) : new Map<string, CallPolicy>();
  const throttle = readThrottle(root.field('retryThrottling'));
  const loadBalancing = readLoadBalancing(root);
  const health = root.field('healthCheckConfig');
  const serviceName = health.isObject() ? (health.field('serviceName').string() ?? '') : undefined;

  const isGood = problems.length === 0;
  return {
    policyOf(service, method) {
      if (!isGood) return NO_CONFIG;
      return methods.get(`${service}/${method}`) ?? methods.get(`${service}/`) ?? methods.get('/') ?? NO_CONFIG;
    },
    throttle: isGood ? throttle : undefined,
    loadBalancing: isGood ? loadBalancing : [],
    healthCheck: isGood && serviceName !== undefined ? { serviceName } : undefined,
    problems,
  };
}

function parseJson(text: string, problems: ConfigProblem[]): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    problems.push({ path: '', message: `is no JSON: ${(error as Error).message}` });
    return undefined;
  }
}

/** By `service/method`, `service/` and `/`. */
function readMethods(list: Place): Map<string, CallPolicy> {
  const methods = new Map<string, CallPolicy>();
  const firsts = new Map<string, string>();
  for (const entry of list.items()) {
    if (!entry.isObject()) continue;
    const config = readMethodConfig(entry);
    // An entry without names is for no method: it is checked, and that is all.
    for (const name of entry.field('name').items()) {
      const key = readName(name);
      if (key === undefined) continue;
      const first = firsts.get(key);
      if (first !== undefined) name.problem(`is the same as ${first}; each name may stand once`);
      else firsts.set(key, name.path);
      methods.set(key, config);
    }
  }
  return methods;
}

function readName(name: Place): string | undefined {
  if (!name.isObject()) return undefined;
  const service = name.field('service').string() ?? '';
  const method = name.field('method').string() ?? '';
  if (service === '' && method !== '') return name.problem(`has the method "${method}" of no service`);
  if (service.includes('/') || method.includes('/'))
    return name.problem('has a "/" in it; give service and method apart');
  return `${service}/${method}`;
}

function readThrottle(place: Place): RetryThrottleOptions | undefined {
  if (!place.isObject()) return undefined;
  const maxTokens = place.field('maxTokens').required().number({ above: 0, atMost: 1000 });
  // Three decimals count, so what is below them is no ratio.
  const ratio = place.field('tokenRatio').required();
  const tokenRatio = ratio.number({ above: 0 });
  if (tokenRatio !== undefined && tokenRatio < 0.001) ratio.problem('must be 0.001 or more: three decimals count');
  return maxTokens === undefined || tokenRatio === undefined ? undefined : { maxTokens, tokenRatio };
}

function readLoadBalancing(root: Place): LoadBalancingChoice[] {
  const list = root.field('loadBalancingConfig');
  const choices = list.items().flatMap((item): LoadBalancingChoice[] => {
    const names = item.required().names();
    const [name] = names;
    if (item.isThere() && names.length !== 1) item.problem('must hold the name of one policy, with its configuration');
    return name === undefined ? [] : [{ name, config: item.field(name).raw() }];
  });
  // The older way to say it, which the newer one overrules.
  const name = root.field('loadBalancingPolicy').string();
  return list.isThere() || name === undefined ? choices : [{ name: name.toLowerCase(), config: {} }];
}
