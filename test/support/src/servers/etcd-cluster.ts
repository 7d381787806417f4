import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly RealServer[];
  /** The member that the others follow. */
  leader(): Promise<RealServer>;
  stop(): Promise<void>;
}

/** Three members of etcd that agree. One may fail. */
export async function startEtcdCluster(): Promise<EtcdCluster> {
  const { etcd } = programs('etcd');
  const ports = await freePorts(6);
  const names = ['one', 'two', 'three'];
  const clientUrl = (index: number): string => `http://127.0.0.1:${ports[index]}`;
  const peerUrl = (index: number): string => `http://127.0.0.1:${ports[index + 3]}`;
  const cluster = names.map((name, index) => `${name}=${peerUrl(index)}`).join();
  const starting = names.map((name, index) =>
    runServer({
      name: `etcd-${name}`,
      port: ports[index] as number,
      url: clientUrl(index),
      command: (data) => ({
        file: etcd,
        args: [
          `--name=${name}`,
          `--data-dir=${data}`,
          `--listen-client-urls=${clientUrl(index)}`,
          `--advertise-client-urls=${clientUrl(index)}`,
          `--listen-peer-urls=${peerUrl(index)}`,
          `--initial-advertise-peer-urls=${peerUrl(index)}`,
          `--initial-cluster=${cluster}`,
          '--heartbeat-interval=100',
          '--election-timeout=1000',
          '--logger=zap',
        ],
        env: { ETCD_UNSUPPORTED_ARCH: process.arch },
      }),
      isReady: () => isHealthy(clientUrl(index)),
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

async function isHealthy(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/health`);
  return ((await answer.json()) as { health?: string }).health === 'true';
}

async function leaderOf(members: readonly RealServer[]): Promise<RealServer> {
  for (const member of members) {
    const answer = await fetch(`${member.url}/v3/maintenance/status`, { method: 'POST', body: '{}' }).catch(
      () => undefined,
    );
    if (answer === undefined) continue;
    const { header, leader } = (await answer.json()) as { header: { member_id: string }; leader?: string };
    if (leader !== undefined && header.member_id === leader) return member;
  }
  throw new Error('no member of etcd leads');
}
