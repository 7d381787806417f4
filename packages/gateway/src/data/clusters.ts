import { createBalancer, type Balancer } from '@bascule/balancer';
import { endpointKey, type Change, type Clock, type Endpoint } from '@bascule/core';
import type { ClusterSnapshot, MemberReport } from '../snapshot.ts';
import type { Transcoding } from './json/transcoding.ts';
import type { Links } from './links.ts';
import type { Loads } from './loads.ts';

/** The balancers of all services, kept in step with the snapshot. */
export interface Clusters {
  apply(clusters: readonly ClusterSnapshot[]): void;
  find(service: string): Lender | undefined;
  members(): MemberReport[];
  close(): Promise<void>;
}

/** Lends endpoints that take the codec of the call. */
type Lender = Pick<Balancer, 'pick'>;

interface Cluster {
  readonly balancer: Balancer;
  readonly lender: Lender;
  policy: ClusterSnapshot['policy'];
  readsLoad: boolean;
  endpoints: Map<string, Endpoint>;
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

  function create(snapshot: ClusterSnapshot): Cluster {
    const balancer = createBalancer({
      policy: snapshot.policy,
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
    const { policy, readsLoad } = snapshot;
    const cluster: Cluster = { balancer, lender, policy, readsLoad, endpoints: new Map() };
    return cluster;
  }

  function retire(service: string, cluster: Cluster): void {
    clusters.delete(service);
    leaving.set(cluster.balancer, service);
    void cluster.balancer.close().finally(() => leaving.delete(cluster.balancer));
  }

  return {
    apply(snapshots) {
      const present = new Set(snapshots.map((snapshot) => snapshot.service));
      for (const snapshot of snapshots) {
        const old = clusters.get(snapshot.service);
        const cluster = old?.policy === snapshot.policy ? old : create(snapshot);
        const endpoints = new Map(snapshot.endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
        // The new one is filled before the old one closes: shared links then never lose their last user.
        cluster.balancer.apply(changesBetween(cluster.endpoints, endpoints));
        cluster.endpoints = endpoints;
        cluster.readsLoad = snapshot.readsLoad;
        if (old !== undefined && old !== cluster) retire(snapshot.service, old);
        clusters.set(snapshot.service, cluster);
      }
      for (const [service, cluster] of clusters) {
        if (!present.has(service)) retire(service, cluster);
      }
    },
    find: (service) => clusters.get(service)?.lender,
    members() {
      const active = [...clusters].map(([service, cluster]) => [cluster.balancer, service] as const);
      return [...active, ...leaving].flatMap(([balancer, service]) =>
        balancer.members().map((member) => ({ ...member, service, load: options.loads.latest(member.key) })),
      );
    },
    async close() {
      for (const [service, cluster] of clusters) retire(service, cluster);
      await Promise.all([...leaving.keys()].map((balancer) => balancer.close()));
    },
  };
}

/** Inserts come first, so that a replaced endpoint is never missed for lack of its successor. */
function changesBetween(before: ReadonlyMap<string, Endpoint>, after: ReadonlyMap<string, Endpoint>): Change[] {
  const changes: Change[] = [];
  for (const [key, endpoint] of after) {
    const known = before.get(key);
    if (known === undefined) changes.push({ type: 'insert', endpoint });
    else if (known !== endpoint) changes.push({ type: 'update', endpoint });
  }
  for (const key of before.keys()) {
    if (!after.has(key)) changes.push({ type: 'remove', key, cause: 'retired' });
  }
  return changes;
}
