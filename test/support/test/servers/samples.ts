import { Resolver } from 'node:dns/promises';
import {
  startConsul,
  startDns,
  startEtcd,
  startEureka,
  startKubernetes,
  startNacos,
  startRedis,
  startZookeeper,
  type RealServer,
  type ServerName,
} from '@bascule/testing/servers';
import { openZookeeper } from './zookeeper-client.ts';

/** A running server, and as much of a client as tells whether it keeps what it is told. */
export interface Sample {
  readonly server: RealServer;
  /** Tells it something. */
  readonly put: () => Promise<void>;
  /** Whether it knows that. Rejects when it does not answer. */
  readonly has: () => Promise<boolean>;
}

export interface SampleKind {
  readonly start: () => Promise<Sample>;
  /** Whether what it was told outlives kill -9. */
  readonly keepsData: boolean;
}

const ASK_TIMEOUT_MS = 2_000;

async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(url, { ...init, signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
}

/** Rejects also what was answered with an error. */
async function tell(url: string, init: RequestInit): Promise<void> {
  const answer = await ask(url, init);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

async function withZookeeper<T>(
  port: number,
  use: (client: Awaited<ReturnType<typeof openZookeeper>>) => Promise<T>,
): Promise<T> {
  const client = await openZookeeper(port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

export const SAMPLES: Readonly<Record<ServerName, SampleKind>> = {
  etcd: {
    keepsData: true,
    async start() {
      const server = await startEtcd();
      const post = async (path: string, body: object): Promise<unknown> =>
        (await ask(`${server.url}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
      return {
        server,
        put: async () => void (await post('put', { key: base64('a'), value: base64('1') })),
        has: async () => ((await post('range', { key: base64('a') })) as { kvs?: unknown[] }).kvs !== undefined,
      };
    },
  },
  zookeeper: {
    keepsData: true,
    async start() {
      const server = await startZookeeper();
      return {
        server,
        put: async () => void (await withZookeeper(server.port, (client) => client.create('/a'))),
        has: async () => (await withZookeeper(server.port, (client) => client.exists('/a'))) === 0,
      };
    },
  },
  dns: {
    keepsData: true,
    async start() {
      const server = await startDns();
      const resolver = new Resolver({ timeout: ASK_TIMEOUT_MS, tries: 1 });
      resolver.setServers([server.address]);
      return {
        server,
        put: () => server.set([{ type: 'A', name: 'a', ttlSeconds: 1, address: '10.0.0.1' }]),
        async has() {
          try {
            return (await resolver.resolve4(`a.${server.zone}`)).length === 1;
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return false;
            throw error;
          }
        },
      };
    },
  },
  consul: {
    keepsData: true,
    async start() {
      const server = await startConsul();
      return {
        server,
        put: () => tell(`${server.url}/v1/kv/a`, { method: 'PUT', body: '1' }),
        has: async () => (await ask(`${server.url}/v1/kv/a`)).ok,
      };
    },
  },
  kubernetes: {
    keepsData: true,
    async start() {
      const server = await startKubernetes();
      const path = '/api/v1/namespaces/default/configmaps';
      return {
        server,
        put: async () => void (await server.ask('POST', path, { metadata: { name: 'a' } })),
        has: async () => (await server.ask('GET', `${path}/a`)).status === 200,
      };
    },
  },
  eureka: {
    keepsData: false,
    async start() {
      const server = await startEureka();
      const instance = {
        instanceId: 'a',
        hostName: 'a',
        app: 'A',
        ipAddr: '127.0.0.1',
        status: 'UP',
        dataCenterInfo: { '@class': 'com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo', name: 'MyOwn' },
      };
      return {
        server,
        async put() {
          const headers = { 'content-type': 'application/json' };
          await tell(`${server.url}/apps/A`, { method: 'POST', headers, body: JSON.stringify({ instance }) });
        },
        has: async () => (await ask(`${server.url}/apps/A/a`)).ok,
      };
    },
  },
  nacos: {
    keepsData: true,
    async start() {
      const server = await startNacos();
      const url = `${server.url}/v3/client/ns/instance`;
      return {
        server,
        async put() {
          const body = new URLSearchParams({ serviceName: 'a', ip: '127.0.0.1', port: '1', ephemeral: 'false' });
          await tell(url, { method: 'POST', body });
        },
        async has() {
          const answer = await ask(`${url}/list?serviceName=a`);
          return ((await answer.json()) as { data: unknown[] }).data.length === 1;
        },
      };
    },
  },
  redis: {
    keepsData: false,
    async start() {
      const server = await startRedis();
      return {
        server,
        put: async () => void (await server.ask('SET', 'a', '1')),
        has: async () => (await server.ask('GET', 'a')) === '$1',
      };
    },
  },
};
