import { request } from 'node:https';
import {
  canStart,
  startConsul,
  startEtcd,
  startEureka,
  startKubernetes,
  startNacos,
  startZookeeper,
} from '@bascule/testing/servers';
import { describe, expect, it, vi } from 'vitest';
import { openZookeeper } from './zookeeper-client.ts';

vi.setConfig({ testTimeout: 300_000 });

describe.skipIf(!canStart('etcd'))('etcd with accounts', () => {
  it('lets the limited user write under its prefix alone, also after it came back empty', async () => {
    await using server = await startEtcd({ auth: true });
    await server.restart({ empty: true });
    const { root, limited } = server;
    if (root === undefined || limited === undefined) throw new Error('it has no accounts');
    const post = (path: string, body: object, token = ''): Promise<Response> =>
      fetch(`${server.url}/v3/${path}`, {
        method: 'POST',
        headers: token === '' ? {} : { authorization: token },
        body: JSON.stringify(body),
      });
    const tokenOf = async ({ user, password }: { user: string; password: string }): Promise<string> => {
      const answer = await post('auth/authenticate', { name: user, password });
      return answer.ok ? ((await answer.json()) as { token: string }).token : '';
    };
    const put = async (key: string, token: string): Promise<boolean> =>
      (await post('kv/put', { key: Buffer.from(key).toString('base64'), value: '' }, token)).ok;
    expect(await tokenOf({ ...limited, password: 'wrong' })).toBe('');
    const token = await tokenOf(limited);
    expect(await put(`${limited.prefix}a`, token)).toBe(true);
    expect(await put('/other/a', token)).toBe(false);
    expect(await put('/other/a', '')).toBe(false);
    expect(await put('/other/a', await tokenOf(root))).toBe(true);
  });
});

describe.skipIf(!canStart('zookeeper'))('ZooKeeper that asks who one is', () => {
  it('serves who has said so, and ends the session of who has not', async () => {
    await using server = await startZookeeper({ auth: true });
    const stranger = await openZookeeper(server.port);
    expect(await stranger.create('/a').catch(() => 'closed')).not.toBe(0);
    stranger.close();
    const known = await openZookeeper(server.port);
    const { user, password } = server.superUser;
    expect(await known.authenticate(user, password)).toBe(0);
    expect(await known.create('/a')).toBe(0);
    known.close();
  });
});

describe.skipIf(!canStart('consul'))('Consul with ACLs', () => {
  it('lets a token register its own service alone, also after it came back empty', async () => {
    await using server = await startConsul({ acl: true });
    const mine = await server.serviceToken('mine');
    const reader = await server.readToken();
    await server.restart({ empty: true });
    const register = async (name: string, token: string): Promise<number> => {
      const headers = { 'x-consul-token': token };
      const body = JSON.stringify({ Name: name, Port: 1 });
      return (await fetch(`${server.url}/v1/agent/service/register`, { method: 'PUT', headers, body })).status;
    };
    const read = async (token: string): Promise<unknown[]> => {
      const answer = await fetch(`${server.url}/v1/health/service/mine`, { headers: { 'x-consul-token': token } });
      return answer.ok ? ((await answer.json()) as unknown[]) : [];
    };
    expect(await register('mine', mine)).toBe(200);
    expect(await register('other', mine)).toBe(403);
    expect(await register('mine', reader)).toBe(403);
    expect(await register('mine', '')).toBe(403);
    await expect.poll(async () => (await read(reader)).length).toBe(1);
    expect(await read(mine)).toHaveLength(1);
    expect(await read('')).toEqual([]);
    expect(await read('9b2ae1f0-0000-0000-0000-000000000000')).toEqual([]);
  });
});

describe.skipIf(!canStart('kubernetes'))('Kubernetes with RBAC', () => {
  it('lets the reader list EndpointSlices of one namespace alone, also after it came back empty', async () => {
    await using server = await startKubernetes();
    await server.restart({ empty: true });
    const get = (path: string, token: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const headers = { authorization: `Bearer ${token}` };
        request(`${server.url}${path}`, { ca: server.ca, headers, agent: false }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode));
        })
          .on('error', reject)
          .end();
      });
    const slices = (namespace: string): string => `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;
    // The authorizer hears of a new role through its own watch.
    await expect.poll(() => get(slices(server.namespace), server.readOnlyToken)).toBe(200);
    expect(await get(slices('default'), server.readOnlyToken)).toBe(403);
    expect(await get(`/api/v1/namespaces/${server.namespace}/pods`, server.readOnlyToken)).toBe(403);
    expect(await get(slices('default'), server.adminToken)).toBe(200);
    expect(await get(slices(server.namespace), 'wrong')).toBe(401);
  });
});

describe.skipIf(!canStart('eureka'))('Eureka with a password', () => {
  it('refuses who does not know it', async () => {
    await using server = await startEureka({ auth: true });
    const ask = async (pair: string): Promise<number> => {
      const headers = { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
      return (await fetch(`${server.url}/apps`, { headers })).status;
    };
    const { user, password } = server.credentials ?? { user: '', password: '' };
    expect(await ask(`${user}:${password}`)).toBe(200);
    expect(await ask(`${user}:wrong`)).toBe(401);
    expect((await fetch(`${server.url}/apps`)).status).toBe(401);
  });
});

describe.skipIf(!canStart('nacos'))('Nacos with a password', () => {
  it('gives who knows it a token, and answers nobody without one, also after it came back empty', async () => {
    await using server = await startNacos({ auth: true });
    await server.restart({ empty: true });
    const { user, password } = server.credentials ?? { user: '', password: '' };
    const login = async (password: string): Promise<string | undefined> => {
      const body = new URLSearchParams({ username: user, password });
      const answer = await fetch(`${server.url}/v3/auth/user/login`, { method: 'POST', body });
      return ((await answer.json()) as { accessToken?: string }).accessToken;
    };
    const list = async (token: string): Promise<number> => {
      const url = `${server.url}/v3/client/ns/instance/list?serviceName=a`;
      return (await fetch(url, { headers: { accessToken: token } })).status;
    };
    expect(await login('wrong')).toBeUndefined();
    expect(await list('')).toBe(403);
    expect(await list((await login(password)) ?? '')).toBe(200);
  });
});
