import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Credentials } from '@bascule/discovery';
import {
  canStart,
  startConsul,
  startEtcd,
  startEureka,
  startNacos,
  startZookeeper,
  type RealServer,
} from '@bascule/testing/servers';
import { startProcess } from '../process.ts';

const CLI = join(import.meta.dirname, '..', '..', '..', 'packages', 'cli', 'bin', 'bascule.mjs');

/** A discovery system that runs for a bench. */
export interface RunningSystem {
  readonly pid: number;
  readonly url: string;
  readonly credentials: Credentials;
  /** In the configuration of a gateway: what the URL does not say. */
  readonly source: Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
}

/** A discovery system that can be measured here. */
export interface System {
  readonly name: string;
  /** What its settings are, for people. */
  readonly about: string;
  /** Shortest lease that it gives, in milliseconds. */
  readonly ttlMs: number;
  start(folder: string): Promise<RunningSystem>;
}

export const REGISTRY: System = {
  name: 'registry',
  about: 'bascule registry with its defaults',
  ttlMs: 3_000,
  async start(folder) {
    const home = join(folder, `registry-${counter++}`);
    await mkdir(home, { recursive: true });
    const args = [CLI, 'registry', '--port=0', `--state-dir=${home}`, '--json', '--exit-with-stdin'];
    const logFile = join(home, 'registry.log');
    const child = startProcess({ name: 'registry', command: process.execPath, args, logFile, speaksJson: true });
    const { registry } = (await child.ready) as { registry: string };
    const tokenFile = join(home, 'token');
    const token = (await readFile(tokenFile, 'utf8')).trim();
    return { pid: child.pid, url: registry, credentials: { token }, source: { tokenFile }, stop: () => child.stop() };
  },
};

export const ETCD = ofServer(
  'etcd',
  'etcd 3.4, one member',
  3_000,
  startEtcd,
  ({ port }) => `etcd://127.0.0.1:${port}/bench`,
);
export const CONSUL = ofServer(
  'consul',
  'consul agent -dev 1.10',
  3_000,
  startConsul,
  ({ port }) => `consul://127.0.0.1:${port}`,
);

const OTHERS: readonly System[] = [
  ofServer(
    'zookeeper',
    'ZooKeeper 3.8, tickTime 500 ms',
    3_000,
    () => startZookeeper({ tickTimeMs: 500 }),
    ({ port }) => {
      return `zookeeper://127.0.0.1:${port}/bench`;
    },
  ),
  ofServer(
    'eureka',
    'Eureka, response cache and eviction each second, deltas asked each second',
    3_000,
    () => startEureka({ responseCacheUpdateIntervalMs: 1_000, evictionIntervalMs: 1_000, selfPreservation: false }),
    ({ port }) => `eureka://127.0.0.1:${port}/eureka?intervalMs=1000`,
  ),
  ofServer(
    'nacos',
    'Nacos, standalone',
    3_000,
    startNacos,
    ({ port }) => `nacos://127.0.0.1:${port}/demo.places.v1.PlacesService?intervalMs=1000`,
  ),
];

/** Every system that a server can register with and that can be started here; the others are named. */
export function listSystems(print: (line: string) => void): System[] {
  const all = [REGISTRY, ETCD, CONSUL, ...OTHERS];
  return all.filter(({ name }) => {
    const can = name === 'registry' || canStart(name as Parameters<typeof canStart>[0]);
    if (!can) print(`not measured: ${name}, since its server is not here`);
    return can;
  });
}

let counter = 0;

function ofServer(
  name: string,
  about: string,
  ttlMs: number,
  start: () => Promise<RealServer>,
  urlOf: (server: RealServer) => string,
): System {
  return {
    name,
    about,
    ttlMs,
    async start() {
      const server = await start();
      return { pid: server.pid, url: urlOf(server), credentials: {}, source: {}, stop: () => server.stop() };
    },
  };
}
