import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Credentials } from './etcd.ts';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';
import { JVM_FOR_TESTS } from './jvm.ts';

export interface ZookeeperOptions {
  /** The server's unit of time; sessions last between 2 and 20 of them. Default: 200 ms. */
  readonly tickTimeMs?: number;
  /** Serves only sessions that have added digest credentials (any user, since ZooKeeper keeps none). Default: false. */
  readonly auth?: boolean;
}

export interface ZookeeperServer extends RealServer {
  /** Whom no ACL stops: `addauth digest user:password`. */
  readonly superUser: Credentials;
}

const SUPER = { user: 'super', password: 'super-of-tests' };
/** How ZooKeeper writes a user of its digest scheme down. */
const SUPER_DIGEST = `super:${createHash('sha1').update('super:super-of-tests').digest('base64')}`;

/** One standalone ZooKeeper, without its admin server. `url` is its address: clients know no scheme. */
export async function startZookeeper(options: ZookeeperOptions = {}): Promise<ZookeeperServer> {
  const { java, classpath } = programs('zookeeper');
  const [port] = (await freePorts(1)) as [number];
  const tickTimeMs = options.tickTimeMs ?? 200;
  const server = await runServer({
    name: 'zookeeper',
    port,
    url: `127.0.0.1:${port}`,
    prepare: (data) =>
      writeFileSync(
        join(data, 'zoo.cfg'),
        [
          `tickTime=${tickTimeMs}`,
          `dataDir=${data}`,
          `clientPort=${port}`,
          'clientPortAddress=127.0.0.1',
          'admin.enableServer=false',
          '4lw.commands.whitelist=*',
          'maxClientCnxns=0',
          ...(options.auth === true ? ['enforce.auth.enabled=true', 'enforce.auth.schemes=digest'] : []),
          '',
        ].join('\n'),
      ),
    command: (data) => ({
      file: java,
      args: [
        ...JVM_FOR_TESTS,
        '-Xmx256m',
        `-Dzookeeper.DigestAuthenticationProvider.superDigest=${SUPER_DIGEST}`,
        '-cp',
        classpath,
        'org.apache.zookeeper.server.quorum.QuorumPeerMain',
        join(data, 'zoo.cfg'),
      ],
    }),
    isReady: async () => (await askZookeeper(port, 'srvr')).includes('Mode: standalone'),
  });
  return Object.assign(server, { superUser: SUPER });
}

/** Sends one of the four-letter words, which need no session, and resolves with the answer. */
export function askZookeeper(port: number, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(word));
    socket.setTimeout(2_000, () => socket.destroy(new Error('ZooKeeper does not answer')));
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.on('error', reject).on('close', () => resolve(answer));
  });
}
