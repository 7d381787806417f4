import { Code, callError, type Layer, type MethodFacts, type RequestHead } from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import type { ClusterFacts } from '../snapshot.ts';

/** Which cluster a path goes to, and what the method is. Immutable: a new snapshot makes a new table. */
export interface RouteTable {
  find(path: string): Route | undefined;
}

type Route =
  | { readonly known: 'method'; readonly cluster: ClusterFacts; readonly facts: MethodFacts }
  /** The service is served, but nothing is known of its methods. */
  | { readonly known: 'service'; readonly cluster: ClusterFacts };

export function createRouteTable(clusters: readonly ClusterFacts[]): RouteTable {
  const methods = new Map<string, Route>();
  const services = new Map<string, Route>();
  for (const cluster of clusters) {
    for (const facts of cluster.methods) {
      methods.set(`/${facts.service}/${facts.method}`, { known: 'method', cluster, facts });
    }
    if (cluster.methods.length === 0) services.set(cluster.service, { known: 'service', cluster });
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

/** Finds cluster and method facts; refuses what nobody serves. */
export function createRouteLayer(table: () => RouteTable): Layer {
  return (next) => (head, reply) => {
    const route = table().find(head.path);
    if (route === undefined) return refuseCall(reply, unknownMethod(head));
    head.call.cluster = route.cluster.service;
    if (route.known === 'method') head.call.method = route.facts;
    return next(head, reply);
  };
}

function unknownMethod(head: RequestHead) {
  const path = head.path.length > 200 ? `${head.path.slice(0, 200)}...` : head.path;
  return callError(
    Code.unimplemented,
    `no service answers ${path}; "bascule endpoints" lists those that do`,
    'never-sent',
  );
}
