import { createBalancer, type Balancer } from '@bascule/balancer';
import { endpointKey, type Change, type Clock, type Endpoint } from '@bascule/core';
import type { ClusterUpdate, EndpointsUpdate, MemberReport } from '../snapshot.ts';
import { changesBetween } from '../endpoint-changes.ts';
import type { Transcoding } from './json/transcoding.ts';
import type { Links } from './links.ts';
import type { Loads } from './loads.ts';

/** The balancers of all services, kept in step with the snapshot. */
export interface Clusters {
  apply(clusters: readonly ClusterUpdate[]): void;
  find(service: string): Lender | undefined;
  members(): MemberReport[];
  close(): Promise<void>;
}

/** Lends endpoints that take the codec of the call. */
type Lender = Pick<Balancer, 'pick'>;

interface Cluster {
  readonly balancer: Balancer;
  readonly lender: Lender;
  readonly policy: ClusterUpdate['policy'];
  readsLoad: boolean;
  readonly endpoints: Map<string, Endpoint>;
}

export interface ClustersOptions {
  readonly clock: Clock;
  readonly links: Links;
  readonly loads: Loads;
  /** Stands between calls and the endpoints that are lent to them. */
  readonly transcoding: Transcoding;
  /** An endpoint became ready: calls that wait may go on. */
  onReady(): void;
}

export function createClusters(options: ClustersOptions): Clusters {
  const clusters = new Map<string, Cluster>();
  /** Balancers of services that went, or changed their policy, until their last call ended. */
  const leaving = new Map<Balancer, string>();

  function create({ policy, readsLoad }: ClusterUpdate, endpoints: Map<string, Endpoint>): Cluster {
    const balancer = createBalancer({
      policy,
      clock: options.clock,
      connect: (endpoint) => options.links.open(endpoint),
    });
    balancer.onReady(() => options.onReady());
    const lender: Lender = {
      pick(head) {
        const lease = balancer.pick(head);
        if (lease === undefined) return undefined;
        return options.transcoding.adapt(cluster.readsLoad ? options.loads.watch(lease) : lease, head);
      },
    };
    const cluster: Cluster = { balancer, lender, policy, readsLoad, endpoints };
    return cluster;
  }

  function retire(service: string, cluster: Cluster): void {
    clusters.delete(service);
    leaving.set(cluster.balancer, service);
    void cluster.balancer.close().finally(() => leaving.delete(cluster.balancer));
  }

  return {
    apply(updates) {
      const present = new Set(updates.map((update) => update.service));
      for (const update of updates) {
        const { service, readsLoad } = update;
        const old = clusters.get(service);
        const endpoints = old?.endpoints ?? new Map<string, Endpoint>();
        const changes = changesOf(update.endpoints, endpoints);
        follow(endpoints, changes);
        if (old?.policy === update.policy) {
          old.readsLoad = readsLoad;
          if (changes.length > 0) old.balancer.apply(changes);
          continue;
        }
        const cluster = create(update, endpoints);
        // The new one is filled before the old one closes: shared links then never lose their last user.
        cluster.balancer.apply([...endpoints.values()].map((endpoint) => ({ type: 'insert', endpoint })));
        if (old !== undefined) retire(service, old);
        clusters.set(service, cluster);
      }
      for (const [service, cluster] of clusters) {
        if (!present.has(service)) retire(service, cluster);
      }
    },
    find: (service) => clusters.get(service)?.lender,
    members() {
      const active = [...clusters].map(([service, cluster]) => [cluster.balancer, service] as const);
      return [...active, ...leaving].flatMap(([balancer, service]) =>
        balancer.members().map((member) => ({ ...member, service })),
      );
    },
    async close() {
      for (const [service, cluster] of clusters) retire(service, cluster);
      await Promise.all([...leaving.keys()].map((balancer) => balancer.close()));
    },
  };
}

function changesOf(update: EndpointsUpdate, before: ReadonlyMap<string, Endpoint>): readonly Change[] {
  if (update.kind === 'changes') return update.changes;
  return changesBetween(new Set(before.values()), new Set(update.endpoints));
}

function follow(endpoints: Map<string, Endpoint>, changes: readonly Change[]): void {
  for (const change of changes) {
    if (change.type === 'remove') endpoints.delete(change.key);
    else endpoints.set(endpointKey(change.endpoint), change.endpoint);
  }
}
