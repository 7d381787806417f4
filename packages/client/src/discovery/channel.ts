import { resolveBalancing } from '@bascule/balancer';
import type { Change, Service } from '@bascule/core';
import { createCallStack, limitsOf } from '../call-stack.ts';
import type { EndpointTls } from '../channel/endpoint-tls.ts';
import { createLinks } from '../channel/links.ts';
import { createLoads } from '../channel/loads.ts';
import { createPick, type EndpointPick } from '../channel/pick.ts';
import type { NodeTransportOptions } from '../options.ts';
import { balancingOfServiceConfig } from '../service-config.ts';
import type { TransportSettings } from '../settings.ts';
import { ServiceClusters } from './clusters.ts';

export interface ChannelOptions {
  readonly options: NodeTransportOptions;
  readonly settings: TransportSettings;
  /** How endpoints are reached over TLS. */
  readonly tls: EndpointTls | undefined;
  /** What keeps the sources from telling who is there, for people; empty where nothing does. */
  sourceProblem(): string;
}

/** Everything between a call and its endpoint: layers, a pick, balancers, links. */
export interface Channel {
  readonly service: Service;
  apply(changes: readonly Change[]): void;
  /** Resolves when the last call has ended and all ways are closed. */
  close(): Promise<void>;
  /** Cuts what is still open. */
  destroy(): void;
}

export function createChannel(parts: ChannelOptions): Channel {
  const { options, settings, tls } = parts;
  const { clock, connectWaitMs, useBinaryFormat } = settings;
  const loads = createLoads(clock);
  const links = createLinks({
    clock,
    onRetired: (key) => loads.retire(key),
    http2: { holdsProcess: false, keepaliveMs: options.keepaliveMs ?? 0 },
    connect: { get: () => options.useHttpGet ?? false, maxMessageBytes: settings.readMaxBytes },
  });
  const configured = balancingOfServiceConfig(settings.serviceConfig?.loadBalancing ?? []);
  const clusters: ServiceClusters = new ServiceClusters({
    clock,
    balancing: resolveBalancing({ ...configured, ...options.balancing }),
    codec: useBinaryFormat ? 'proto' : 'json',
    links,
    tls,
    loads,
    onReady: (service) => pick.wake(service),
  });
  const limits = limitsOf(options);
  const pick: EndpointPick = createPick({
    clock,
    findBalancer: (service) => clusters.find(service),
    connectTimeoutMs: () => connectWaitMs,
    maxPending: () => Infinity,
    limitsOf: () => limits,
    why(service) {
      const problem = parts.sourceProblem();
      return `${clusters.problem(service)}${problem === '' ? '' : `; ${problem}`}`;
    },
  });
  return {
    service: createCallStack(options, settings, pick.service, pick.service),
    apply: (changes) => clusters.apply(changes),
    close: () => clusters.close(),
    destroy: () => links.destroy(),
  };
}
