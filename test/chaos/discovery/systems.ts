import type { Credentials } from '@bascule/discovery';
import {
  startConsul,
  startDns,
  startEtcd,
  startEureka,
  startNacos,
  startZookeeper,
  type DnsRecord,
  type DnsServer,
  type RealServer,
} from '@bascule/testing/servers';
import { ChaosService } from '../schema.ts';
import type { Backend } from './backends.ts';
import { startRegistry } from './programs.ts';

/** A discovery system that can be broken. */
export interface System {
  /** Of the source in the gateway's configuration. */
  readonly name: string;
  readonly server: Pick<RealServer, 'port' | 'pause' | 'resume' | 'kill' | 'restart' | 'stop'>;
  /** At the server's port, or at one of who stands in between. */
  readonly urlAt: (port: number) => string;
  readonly credentials: Credentials;
  /** What the gateway's configuration says of it, beside name and URL. */
  readonly source: object;
  /** Where backends do not register themselves: makes these all who are there. */
  readonly write?: (backends: readonly Backend[]) => Promise<void>;
  /** Who a backend is here. Default: who it says it is. */
  readonly identify?: (backend: Backend) => Pick<Backend, 'instanceId' | 'incarnation'>;
}

let counter = 0;

/** The embedded registry, alone. */
export async function startRegistrySystem(folder: string): Promise<System> {
  const server = await startRegistry(folder);
  return {
    name: `registry-${++counter}`,
    server,
    urlAt: (port) => `http://127.0.0.1:${port}`,
    credentials: { token: server.token },
    source: { tokenFile: server.tokenFile },
  };
}

/** Systems of others that backends register with, by the name that `canStart` knows. */
export const FOREIGN = {
  etcd: of('etcd', startEtcd, (port) => `etcd://127.0.0.1:${port}/chaos`),
  consul: of('consul', startConsul, (port) => `consul://127.0.0.1:${port}/chaos`),
  zookeeper: of('zookeeper', startZookeeper, (port) => `zookeeper://127.0.0.1:${port}/chaos`),
  eureka: of('eureka', startEureka, (port) => `eureka://127.0.0.1:${port}/eureka/CHAOS?intervalMs=200`),
  nacos: of('nacos', startNacos, (port) => `nacos://127.0.0.1:${port}/chaos?intervalMs=200`),
} as const;

/** What records cannot say is said of the source. */
const SOURCE = { services: [ChaosService.typeName], codecs: ['json'] };

function of(name: string, start: () => Promise<RealServer>, urlAt: (port: number) => string): () => Promise<System> {
  return async () => ({ name, server: await start(), urlAt, credentials: {}, source: SOURCE });
}

const SRV = '_grpc._tcp';
const TTL_SECONDS = 1;

/** A zone with an SRV record for each backend. */
export async function startDnsSystem(): Promise<System & { readonly server: DnsServer }> {
  const server = await startDns();
  const host: DnsRecord = { type: 'A', name: 'host', ttlSeconds: TTL_SECONDS, address: '127.0.0.1' };
  return {
    name: 'dns',
    server,
    urlAt: (port) => `dns+srv://127.0.0.1:${port}/${SRV}.${server.zone}`,
    credentials: {},
    source: SOURCE,
    identify: ({ address }) => ({ instanceId: address, incarnation: 1 }),
    write: (backends) =>
      server.set([
        host,
        ...backends.map(({ address }): DnsRecord => {
          const port = Number(address.split(':')[1]);
          return { type: 'SRV', name: SRV, ttlSeconds: TTL_SECONDS, priority: 0, weight: 1, port, target: 'host' };
        }),
      ]),
  };
}
