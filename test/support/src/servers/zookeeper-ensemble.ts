import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { JVM_FOR_TESTS } from './jvm.ts';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';
import { askZookeeper } from './zookeeper.ts';

export interface ZookeeperEnsemble extends AsyncDisposable {
  readonly members: readonly RealServer[];
  /** The member that the others follow. */
  leader(): Promise<RealServer>;
  stop(): Promise<void>;
}

const SIZE = 3;
const TICK_MS = 200;

/** Three servers of ZooKeeper that agree. One may fail. */
export async function startZookeeperEnsemble(): Promise<ZookeeperEnsemble> {
  const { java, classpath } = programs('zookeeper');
  const ports = await freePorts(3 * SIZE);
  const portOf = (kind: number, index: number): number => ports[kind * SIZE + index] as number;
  const indexes = Array.from({ length: SIZE }, (_, index) => index);
  const peers = indexes.map((index) => `server.${index + 1}=127.0.0.1:${portOf(1, index)}:${portOf(2, index)}`);
  const starting = indexes.map((index) =>
    runServer({
      name: `zookeeper-${index + 1}`,
      port: portOf(0, index),
      url: `127.0.0.1:${portOf(0, index)}`,
      prepare(data) {
        writeFileSync(join(data, 'myid'), String(index + 1));
        const settings = [
          `tickTime=${TICK_MS}`,
          'initLimit=50',
          'syncLimit=10',
          `dataDir=${data}`,
          `clientPort=${portOf(0, index)}`,
          'clientPortAddress=127.0.0.1',
          'admin.enableServer=false',
          '4lw.commands.whitelist=*',
          'maxClientCnxns=0',
          ...peers,
        ];
        writeFileSync(join(data, 'zoo.cfg'), `${settings.join('\n')}\n`);
      },
      command: (data) => ({
        file: java,
        args: [
          ...JVM_FOR_TESTS,
          '-Xmx128m',
          '-cp',
          classpath,
          'org.apache.zookeeper.server.quorum.QuorumPeerMain',
          join(data, 'zoo.cfg'),
        ],
      }),
      isReady: async () => /Mode: (leader|follower)/.test(await askZookeeper(portOf(0, index), 'srvr')),
    }),
  );
  const started = await Promise.allSettled(starting);
  const members = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stop = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.stop()));
  };
  const failed = started.find((result) => result.status === 'rejected');
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { members, leader: () => leaderOf(members), stop, [Symbol.asyncDispose]: stop };
}

async function leaderOf(members: readonly RealServer[]): Promise<RealServer> {
  for (const member of members) {
    const state = await askZookeeper(member.port, 'srvr').catch(() => '');
    if (state.includes('Mode: leader')) return member;
  }
  throw new Error('no server of ZooKeeper leads');
}
