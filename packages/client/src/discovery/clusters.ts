import { createBalancer, type Balancer, type BalancingPolicy } from '@bascule/balancer';
import { endpointKey, type Change, type Clock, type Codec, type Endpoint } from '@bascule/core';
import type { EndpointTls } from '../channel/endpoint-tls.ts';
import type { Links } from '../channel/links.ts';
import { wantsLoad, type Loads, type Report } from '../channel/loads.ts';
import type { Lender } from '../channel/pick.ts';

/** Stands among an endpoint's services where its source does not say what it answers. */
export const ANY_SERVICE = '*';

export interface ServiceClustersOptions {
  readonly clock: Clock;
  readonly balancing: BalancingPolicy;
  /** The codec of all calls: who does not take it is not there. */
  readonly codec: Codec;
  readonly links: Links;
  /** How endpoints are reached over TLS. Default: those that say that they speak it, by what Node trusts. */
  readonly tls?: EndpointTls | undefined;
  readonly loads: Loads;
  /** An endpoint of the service can take calls. */
  onReady(service: string): void;
}

interface Cluster {
  readonly balancer: Balancer;
  readonly lender: Lender;
  readonly keys: Set<string>;
}

/** A balancer for each service that is called, over those of all endpoints that answer it. */
export class ServiceClusters {
  readonly #options: ServiceClustersOptions;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #clusters = new Map<string, Cluster>();

  constructor(options: ServiceClustersOptions) {
    this.#options = options;
  }

  /** Obeys changes in order. */
  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === 'remove') this.#endpoints.delete(change.key);
      else this.#endpoints.set(endpointKey(change.endpoint), change.endpoint);
    }
    for (const [service, cluster] of this.#clusters) {
      const own = changes.flatMap((change) => this.#changeOf(change, service, cluster.keys));
      if (own.length > 0) cluster.balancer.apply(own);
    }
  }

  /** Made with the first call to the service. */
  find(service: string): Lender {
    return (this.#clusters.get(service) ?? this.#create(service)).lender;
  }

  /** Why none of the service's endpoints takes calls, for people. */
  problem(service: string): string {
    const members = this.#clusters.get(service)?.balancer.members() ?? [];
    const problems = members.flatMap(({ endpoint, problem }) =>
      problem === '' ? [] : [`${endpoint.host}:${endpoint.port}: ${problem}`],
    );
    if (members.length === 0) return 'nobody is known who answers it';
    return `${members.length} known${problems.length > 0 ? `; ${problems.slice(0, 3).join('; ')}` : ''}`;
  }

  /** Resolves when the last call has ended and all ways are closed. */
  async close(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map(({ balancer }) => balancer.close()));
  }

  #create(service: string): Cluster {
    const { clock, balancing, links, loads, tls } = this.#options;
    const report: Report = (key, load) => balancer.report(key, load);
    const watch = loads.watcher(report);
    watch.configure(balancing.loadReportPeriodMs);
    const balancer: Balancer = createBalancer({
      clock,
      balancing,
      connect: (endpoint) => watch.watch(endpoint, links.open(endpoint, tls)),
    });
    balancer.onReady(() => this.#options.onReady(service));
    const readLoad = wantsLoad(balancing) ? loads.reader(report) : undefined;
    const cluster: Cluster = {
      balancer,
      lender: { pick: (head, slot) => balancer.pick(head, slot), canLend: () => balancer.canLend(), readLoad },
      keys: new Set(),
    };
    this.#clusters.set(service, cluster);
    const there = [...this.#endpoints.values()].map((endpoint): Change => ({ type: 'insert', endpoint }));
    balancer.apply(there.flatMap((change) => this.#changeOf(change, service, cluster.keys)));
    return cluster;
  }

  /** What a change is for one service: an endpoint may begin to answer it, or cease to. */
  #changeOf(change: Change, service: string, keys: Set<string>): Change[] {
    const key = change.type === 'remove' ? change.key : endpointKey(change.endpoint);
    if (change.type !== 'remove' && this.#answers(change.endpoint, service)) {
      const type = keys.has(key) ? 'update' : 'insert';
      keys.add(key);
      return [{ type, endpoint: change.endpoint }];
    }
    if (!keys.delete(key)) return [];
    return [change.type === 'remove' ? change : { type: 'remove', key, cause: 'not-in-source' }];
  }

  #answers({ services, codecs }: Endpoint, service: string): boolean {
    if (!codecs.includes(this.#options.codec)) return false;
    return services.length === 0 || services.includes(service) || services.includes(ANY_SERVICE);
  }
}
