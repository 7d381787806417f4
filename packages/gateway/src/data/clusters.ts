import { isDeepStrictEqual } from 'node:util';
import { createBalancer, type Balancer, type BalancingPolicy } from '@bascule/balancer';
import { wantsLoad, type Lender, type Links, type Loads, type LoadWatch, type Report } from '@bascule/client';
import { endpointKey, type Change, type Clock, type Endpoint } from '@bascule/core';
import type { ClusterUpdate, EndpointsUpdate, MemberReport } from '../snapshot.ts';
import { changesBetween } from '../endpoint-changes.ts';
import { createUpstreamTlsTable } from './upstream-tls.ts';
import type { Transcoding } from './json/transcoding.ts';

/** The balancers of all services, kept in step with the snapshot. */
export interface Clusters {
  apply(clusters: readonly ClusterUpdate[]): void;
  /** Lends endpoints that take the codec of the call. */
  find(service: string): Lender | undefined;
  members(): MemberReport[];
  close(): Promise<void>;
}

interface Cluster {
  readonly balancer: Balancer;
  readonly lender: Lender;
  readonly watch: LoadWatch;
  balancing: BalancingPolicy;
  readsLoad: boolean;
  /** Name of the TLS settings that its links were opened with. */
  readonly tlsName: string | undefined;
  readonly endpoints: Map<string, Endpoint>;
}

export interface ClustersOptions {
  readonly clock: Clock;
  readonly links: Links;
  readonly loads: Loads;
  /** Stands between calls and the endpoints that are lent to them. */
  readonly transcoding: Transcoding;
  /** An endpoint of the service became ready: calls that wait may go on. */
  onReady(service: string): void;
}

export function createClusters(options: ClustersOptions): Clusters {
  const clusters = new Map<string, Cluster>();
  const upstreamTls = createUpstreamTlsTable((name) => options.links.retry(name));
  /** Balancers of services that went, until their last call ended. */
  const leaving = new Map<Balancer, string>();

  function create(update: ClusterUpdate, endpoints: Map<string, Endpoint>): Cluster {
    const { service, balancing, readsLoad } = update;
    const tls = upstreamTls.of(update.tls);
    const report: Report = (key, load) => balancer.report(key, load);
    const watch = options.loads.watcher(report);
    watch.configure(balancing.loadReportPeriodMs);
    const balancer: Balancer = createBalancer({
      balancing,
      clock: options.clock,
      connect: (endpoint) => watch.watch(endpoint, options.links.open(endpoint, tls)),
    });
    balancer.onReady(() => options.onReady(service));
    const readLoad = options.loads.reader(report);
    const lender: Lender = {
      canLend: () => balancer.canLend(),
      pick(head, slot) {
        const lease = balancer.pick(head, slot);
        return lease === undefined ? undefined : options.transcoding.adapt(lease, head);
      },
      get readLoad() {
        return cluster.readsLoad || wantsLoad(cluster.balancing) ? readLoad : undefined;
      },
    };
    const cluster: Cluster = { balancer, lender, watch, balancing, readsLoad, tlsName: tls?.name, endpoints };
    return cluster;
  }

  function retire(service: string, cluster: Cluster): void {
    clusters.delete(service);
    leaving.set(cluster.balancer, service);
    void cluster.balancer.close().finally(() => leaving.delete(cluster.balancer));
  }

  return {
    apply(updates) {
      upstreamTls.apply(updates);
      const present = new Set(updates.map((update) => update.service));
      for (const update of updates) {
        const { service, readsLoad } = update;
        const old = clusters.get(service);
        const endpoints = old?.endpoints ?? new Map<string, Endpoint>();
        const changes = changesOf(update.endpoints, endpoints);
        follow(endpoints, changes);
        // Who is reached in another way is somebody else: what goes on there ends there.
        if (old !== undefined && old.tlsName !== update.tls?.name) retire(service, old);
        else if (old !== undefined) {
          old.readsLoad = readsLoad;
          if (!isDeepStrictEqual(old.balancing, update.balancing)) {
            old.balancing = update.balancing;
            old.balancer.configure(update.balancing);
            old.watch.configure(update.balancing.loadReportPeriodMs);
          }
          if (changes.length > 0) old.balancer.apply(changes);
          continue;
        }
        const cluster = create(update, endpoints);
        cluster.balancer.apply([...endpoints.values()].map((endpoint) => ({ type: 'insert', endpoint })));
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
