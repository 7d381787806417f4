import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from './ports.ts';
import { programs } from './programs.ts';
import type { RealServer } from './real-server.ts';
import { runServer } from './run-server.ts';

export interface ConsulOptions {
  /** Access control lists with "deny" as the default, and the tokens to get past them. Default: false. */
  readonly acl?: boolean;
}

export interface ConsulServer extends RealServer {
  /** May do everything; undefined without ACLs. */
  readonly managementToken: string | undefined;
  /**
   * A token that may register the service (and reads every service and node, as clients of it must). An empty restart keeps it.
   * Throws without ACLs.
   */
  serviceToken(service: string): Promise<string>;
  /** A token that reads every service and node and writes nothing. An empty restart keeps it. Throws without ACLs. */
  readToken(): Promise<string>;
}

const READER = { Name: 'reader', Rules: 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }' };

/** One agent of Consul that is its only server; unlike one in dev mode it keeps its data over a restart. Its DNS and gRPC are off. */
export async function startConsul(options: ConsulOptions = {}): Promise<ConsulServer> {
  const { consul } = programs('consul');
  const [http, server, serf] = (await freePorts(3)) as [number, number, number];
  const url = `http://127.0.0.1:${http}`;
  const managementToken = options.acl === true ? randomUUID() : undefined;
  const tokens = new Map<string, object>();

  const ask = async (method: string, path: string, body?: object): Promise<Response> => {
    const headers: Record<string, string> = managementToken === undefined ? {} : { 'x-consul-token': managementToken };
    const answer = await fetch(`${url}${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    if (!answer.ok) throw new Error(`consul refused ${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  };
  const addToken = async (what: object): Promise<string> => {
    if (managementToken === undefined) throw new Error('there are no tokens without ACLs: start it with { acl: true }');
    const SecretID = randomUUID();
    await ask('PUT', '/v1/acl/token', { ...what, SecretID });
    tokens.set(SecretID, what);
    return SecretID;
  };

  const running = await runServer({
    name: 'consul',
    port: http,
    url,
    prepare: (data) =>
      writeFileSync(
        join(data, 'consul.json'),
        JSON.stringify({
          server: true,
          bootstrap_expect: 1,
          data_dir: data,
          node_name: 'test',
          bind_addr: '127.0.0.1',
          client_addr: '127.0.0.1',
          ports: { http, server, serf_lan: serf, serf_wan: -1, dns: -1, grpc: -1 },
          performance: { raft_multiplier: 1 },
          disable_update_check: true,
          // A minute and half a minute of its own, and no test waits that long for who stopped renewing.
          check_deregister_interval_min: '1s',
          check_reap_interval: '500ms',
          // Thousands of writes a second are what some tests are for.
          limits: { http_max_conns_per_client: 10_000 },
          acl: {
            enabled: options.acl === true,
            default_policy: options.acl === true ? 'deny' : 'allow',
            ...(managementToken !== undefined && { tokens: { master: managementToken, agent: managementToken } }),
          },
        }),
      ),
    command: (data) => ({ file: consul, args: ['agent', '-config-file', join(data, 'consul.json')] }),
    async isReady() {
      // The agent has written itself into the catalog only when there is a leader, and with ACLs when these are set up.
      const nodes = (await (await ask('GET', '/v1/health/node/test')).json()) as { CheckID: string; Status: string }[];
      return nodes.some(({ CheckID, Status }) => CheckID === 'serfHealth' && Status === 'passing');
    },
    async populate() {
      if (managementToken === undefined) return;
      await ask('PUT', '/v1/acl/policy', READER);
      for (const [SecretID, what] of tokens) await ask('PUT', '/v1/acl/token', { ...what, SecretID });
    },
  });
  return Object.assign(running, {
    managementToken,
    serviceToken: (service: string) => addToken({ ServiceIdentities: [{ ServiceName: service }] }),
    readToken: () => addToken({ Policies: [{ Name: READER.Name }] }),
  });
}
