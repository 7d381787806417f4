import {
  Code,
  callError,
  getField,
  type CallPolicy,
  type Layer,
  type MethodFacts,
  type RequestHead,
} from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import type { ClusterFacts, RouteRule } from '../snapshot.ts';

/** Which cluster a path goes to, what the method is and how its calls are treated. A new snapshot makes a new table. */
export interface RouteTable {
  find(path: string): Route | undefined;
}

interface Treatment {
  readonly policy: CallPolicy;
  /** Over `policy`, for calls with these fields; the first match counts. */
  readonly routes: readonly Pick<RouteRule, 'headers' | 'policy'>[];
}

type Route =
  | (Treatment & { readonly known: 'method'; readonly cluster: ClusterFacts; readonly facts: MethodFacts })
  /** The service is served, but nothing is known of its methods. */
  | (Treatment & { readonly known: 'service'; readonly cluster: ClusterFacts });

export function createRouteTable(clusters: readonly ClusterFacts[]): RouteTable {
  const methods = new Map<string, Route>();
  const services = new Map<string, Route>();
  for (const cluster of clusters) {
    for (const facts of cluster.methods) {
      const treatment = treat(cluster, facts.method);
      methods.set(`/${facts.service}/${facts.method}`, { known: 'method', cluster, facts, ...treatment });
    }
    if (cluster.methods.length === 0) {
      services.set(cluster.service, { known: 'service', cluster, ...treat(cluster, undefined) });
    }
  }
  return {
    find(path) {
      const exact = methods.get(path);
      if (exact !== undefined) return exact;
      const slash = path.indexOf('/', 1);
      return slash < 0 ? undefined : services.get(path.slice(1, slash));
    },
  };
}

/** `method` is undefined for those that are not known. */
function treat({ policy: general, methodPolicies, routes }: ClusterFacts, method: string | undefined): Treatment {
  const own = method !== undefined && Object.hasOwn(methodPolicies, method) ? methodPolicies[method] : undefined;
  const policy = own ?? general;
  const matching = routes.filter((route) => route.method === undefined || route.method === method);
  return {
    policy,
    routes: matching.map((route) => ({ headers: route.headers, policy: { ...policy, ...route.policy } })),
  };
}

/** Finds cluster, method facts and policy; refuses what nobody serves. */
export function createRouteLayer(table: () => RouteTable): Layer {
  return (next) => (head, reply) => {
    const route = table().find(head.path);
    if (route === undefined) return refuseCall(reply, unknownMethod(head));
    const { call } = head;
    call.cluster = route.cluster.service;
    if (route.known === 'method') call.method = route.facts;
    call.policy = route.routes.length === 0 ? route.policy : policyFor(route, head);
    return next(head, reply);
  };
}

function policyFor({ policy, routes }: Treatment, { fields }: RequestHead): CallPolicy {
  const matching = routes.find(({ headers }) =>
    headers.every(({ name, value }) => {
      const found = getField(fields, name);
      return value === undefined ? found !== undefined : found === value;
    }),
  );
  return matching?.policy ?? policy;
}

function unknownMethod(head: RequestHead) {
  const path = head.path.length > 200 ? `${head.path.slice(0, 200)}...` : head.path;
  return callError(
    Code.unimplemented,
    `no service answers ${path}; "bascule endpoints" lists those that do`,
    'never-sent',
  );
}
