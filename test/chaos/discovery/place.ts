import { startRelay, type Relay } from '@bascule/testing/servers';
import type { Scene } from './scene.ts';
import type { System } from './systems.ts';

/** A system with the network around it. */
export interface Placed extends System {
  /** Stand between it and who watches, and between it and who registers. Without relays they connect directly. */
  readonly relays: { readonly toGateway: Relay; readonly toBackends: Relay } | undefined;
}

/** Puts relays around a system where the network is to fail. */
export async function place({ stack }: Scene, system: System, isRelayed: boolean): Promise<Placed> {
  if (!isRelayed) return { ...system, relays: undefined };
  const { port } = system.server;
  const [toGateway, toBackends] = await Promise.all([startRelay(port), startRelay(port)]);
  stack.use(toGateway);
  stack.use(toBackends);
  return { ...system, relays: { toGateway, toBackends } };
}

/** As `sources` of a gateway. */
export function toSource({ name, urlAt, server, relays, source }: Placed, rank: number): object {
  return { name, rank, url: urlAt(relays?.toGateway.port ?? server.port), ...source };
}

/** What varies beside the faults: whether endpoints are checked, and how. */
export function createConfig({ chance }: Scene, sources: readonly object[]): object {
  const healthCheck = chance.pick([
    undefined,
    undefined,
    // Backends share a busy process with their callers.
    { grpc: {}, interval: '2s', timeout: '2s', unhealthyThreshold: 5 },
    { tcp: {}, interval: '1s' },
  ]);
  return {
    discovery: { embeddedRegistry: false, sources, ...(healthCheck && { healthCheck }) },
    observe: { accessLog: 'off', exposeEndpoint: true },
  };
}
