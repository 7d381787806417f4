export { tlsOfEndpoint, type EndpointTls } from './channel/endpoint-tls.ts';
export { createLinks, type Links } from './channel/links.ts';
export { createEndpointProbes } from './discovery/probes.ts';
export type { LoadWatch } from './channel/load-watch.ts';
export { createLoads, wantsLoad, type EndpointLoad, type Loads, type Report } from './channel/loads.ts';
export { createPick, type EndpointPick, type Lender } from './channel/pick.ts';
export { compressionBrotli, compressionGzip, compressionZstd } from './compression.ts';
export { createBearerInterceptor, createDial, type DialCredentials } from './dial.ts';
export { processedOf } from './failures.ts';
export type { LimitStore, MirrorDiff, Taken } from '@bascule/layers';
export type {
  BalancingOverrides,
  DiscoverySource,
  NodeTransport,
  NodeTransportOptions,
  Protocol,
  TransportDiscovery,
} from './options.ts';
export { balancingOfServiceConfig } from './service-config.ts';
export { createNodeTransport } from './transport.ts';
