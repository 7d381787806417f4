import type { Credentials } from './etcd.ts';
import { freePortOfNacos, nacosOptions } from './nacos-start.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

export interface NacosOptions {
  /** Asks clients for a token, which user and password get at `/v3/auth/user/login`. Default: false. */
  readonly auth?: boolean;
}

/**
 * `url` ends in `/nacos`. Instances that are ephemeral, which is the default of its clients, are in memory alone: every restart
 * loses them. gRPC is at `port` + 1,000.
 */
export interface NacosServer extends RealServer {
  readonly credentials: Credentials | undefined;
}

/** Other servers of a cluster need no account; it is in the application's settings. */
const PEER = { tests: 'tests' };
const CREDENTIALS = { user: 'nacos', password: 'nacos-of-tests' };

/** One standalone Nacos 3.1 without its console: the APIs v3 and v1 (v2 is gone from it). */
export async function startNacos(options: NacosOptions = {}): Promise<NacosServer> {
  const { java, cwd, args } = programs('nacos');
  const port = await freePortOfNacos();
  const url = `http://127.0.0.1:${port}/nacos`;
  const server = await runServer({
    name: 'nacos',
    port,
    url,
    command: (data) => ({
      file: java,
      cwd,
      args: [
        ...nacosOptions(data),
        ...args,
        `--nacos.server.main.port=${port}`,
        `--nacos.core.auth.enabled=${options.auth === true}`,
        '--nacos.core.auth.admin.enabled=false',
      ],
    }),
    isReady: async () => (await fetch(`${url}/v3/admin/core/state/readiness`)).ok && (await keepsWhatItIsTold(url)),
    async populate() {
      if (options.auth !== true) return;
      const body = new URLSearchParams({ username: CREDENTIALS.user, password: CREDENTIALS.password });
      const answer = await fetch(`${url}/v3/auth/user/admin`, { method: 'POST', body });
      if (!answer.ok) throw new Error(`nacos refused its first user: ${await answer.text()}`);
    },
  });
  return Object.assign(server, { credentials: options.auth === true ? CREDENTIALS : undefined });
}

/** It calls itself ready before the Raft group of the persistent instances has a leader, and before its log was read again. */
async function keepsWhatItIsTold(url: string): Promise<boolean> {
  const instance = { groupName: 'readiness', serviceName: 'readiness', ip: '127.0.0.1', port: '1', ephemeral: 'false' };
  const path = `${url}/v3/client/ns/instance?${new URLSearchParams(instance).toString()}`;
  return (
    (await fetch(path, { method: 'POST', headers: PEER })).ok &&
    (await fetch(path, { method: 'DELETE', headers: PEER })).ok
  );
}
