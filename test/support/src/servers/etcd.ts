import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

export interface EtcdOptions {
  /** Turns on authentication: root, and a user who may read and write keys under `/bascule/` alone. Default: false. */
  readonly auth?: boolean;
}

export interface EtcdServer extends RealServer {
  readonly root: Credentials | undefined;
  /** May do everything under `prefix`, and nothing else. */
  readonly limited: (Credentials & { readonly prefix: string }) | undefined;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const ROOT = { user: 'root', password: 'root-of-tests' };
const LIMITED = { user: 'bascule', password: 'limited-of-tests', prefix: '/bascule/' };

/** One member of etcd, gRPC and its JSON gateway on one port. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const { etcd } = programs('etcd');
  const [port, peerPort] = (await freePorts(2)) as [number, number];
  const url = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const server = await runServer({
    name: 'etcd',
    port,
    url,
    command: (data) => ({
      file: etcd,
      args: [
        '--name=test',
        `--data-dir=${data}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=test=${peerUrl}`,
        // One member has nobody to wait for; it also brings the shortest lease that etcd grants from 2 s down to 1 s.
        '--heartbeat-interval=50',
        '--election-timeout=500',
        '--bcrypt-cost=4',
        '--logger=zap',
      ],
      // Debian builds it for more machines than upstream answers for.
      env: { ETCD_UNSUPPORTED_ARCH: process.arch },
    }),
    async isReady() {
      const answer = await fetch(`${url}/health`);
      return ((await answer.json()) as { health?: string }).health === 'true';
    },
    populate: async () => {
      if (options.auth === true) await turnOnAuth(url);
    },
  });
  const hasAuth = options.auth === true;
  return Object.assign(server, { root: hasAuth ? ROOT : undefined, limited: hasAuth ? LIMITED : undefined });
}

async function turnOnAuth(url: string): Promise<void> {
  const ask = async (path: string, body: object): Promise<void> => {
    const answer = await fetch(`${url}/v3/auth/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd refused ${path}: ${await answer.text()}`);
  };
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  await ask('user/add', { name: ROOT.user, password: ROOT.password });
  await ask('role/add', { name: 'root' });
  await ask('user/grant', { user: ROOT.user, role: 'root' });
  await ask('user/add', { name: LIMITED.user, password: LIMITED.password });
  await ask('role/add', { name: 'limited' });
  const rangeEnd =
    LIMITED.prefix.slice(0, -1) + String.fromCharCode(LIMITED.prefix.charCodeAt(LIMITED.prefix.length - 1) + 1);
  await ask('role/grant', {
    name: 'limited',
    perm: { permType: 'READWRITE', key: base64(LIMITED.prefix), range_end: base64(rangeEnd) },
  });
  await ask('user/grant', { user: LIMITED.user, role: 'limited' });
  await ask('enable', {});
}
