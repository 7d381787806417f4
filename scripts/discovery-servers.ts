/** `npm run discovery:servers [-- etcd dns ...]`: the servers that discovery is tested against, for a person, until Ctrl-C. */
import {
  SERVER_NAMES,
  startConsul,
  startDns,
  startEtcd,
  startEureka,
  startKubernetes,
  startNacos,
  startZookeeper,
  type RealServer,
  type ServerName,
} from '@bascule/testing/servers';
import { prepareServers } from './test/servers.ts';

interface Shown {
  readonly server: RealServer;
  /** What `bascule resolve` and others take to ask it. */
  readonly spec: string;
}

/** Redis is for limits. */
type SystemName = Exclude<ServerName, 'redis'>;

const START: Readonly<Record<SystemName, () => Promise<Shown>>> = {
  async etcd() {
    const server = await startEtcd();
    return { server, spec: `etcd://${server.address}` };
  },
  async zookeeper() {
    const server = await startZookeeper();
    return { server, spec: `zookeeper://${server.address}` };
  },
  async dns() {
    const records = [
      { type: 'A', name: 'backend', ttlSeconds: 5, address: '127.0.0.1' },
      { type: 'SRV', name: '_grpc._tcp.demo', ttlSeconds: 5, priority: 0, weight: 1, port: 9001, target: 'backend' },
    ] as const;
    const server = await startDns({ records });
    return { server, spec: `dns+srv://${server.address}/_grpc._tcp.demo.${server.zone}` };
  },
  async consul() {
    const server = await startConsul();
    return { server, spec: `consul://${server.address}` };
  },
  async kubernetes() {
    const server = await startKubernetes();
    const options = `--ca-file ${server.caFile} --token-file ${server.adminTokenFile}`;
    return { server, spec: `kubernetes://${server.address}/${server.namespace} ${options}` };
  },
  async eureka() {
    const server = await startEureka();
    return { server, spec: `eureka://${server.address}/eureka` };
  },
  async nacos() {
    const server = await startNacos();
    return { server, spec: `nacos://${server.address}/<service>` };
  },
};

const wanted = process.argv.slice(2);
const known = SERVER_NAMES.filter((name): name is SystemName => name !== 'redis');
const unknown = wanted.filter((name) => !(known as readonly string[]).includes(name));
if (unknown.length > 0) {
  console.error(`There is no server named ${unknown.join(', ')}; there are ${known.join(', ')}.`);
  process.exit(2);
}
const names = wanted.length === 0 ? known : (wanted as SystemName[]);

await prepareServers(names);
const started = await Promise.allSettled(names.map((name) => START[name]()));
const shown = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));

const rows = shown.map(({ server, spec }) => [server.name, server.url, spec]);
const table = [['server', 'address', 'for bascule resolve'], ...rows];
const widths = [0, 1].map((column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
for (const row of table)
  console.log(
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
for (const result of started) if (result.status === 'rejected') console.error(String(result.reason));
if (shown.length === 0) process.exit(1);
console.log(`\nTry one: npx bascule resolve ${shown[0]?.spec}\nCtrl-C stops them.`);

const stop = (): void => void Promise.all(shown.map(({ server }) => server.stop())).then(() => process.exit(0));
process.once('SIGINT', stop).once('SIGTERM', stop);
// Their processes do not keep this one alive.
setInterval(() => undefined, 1 << 30);
