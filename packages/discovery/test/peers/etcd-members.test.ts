import { createVirtualClock } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it } from 'vitest';
import { openEtcdClient } from '../../src/peers/etcd/client.ts';
import { parseSystemUrl } from '../../src/peers/hosts.ts';
import type { ClosableTransport } from '../../src/spec.ts';

it('leaves a member once for all calls that lost it together', async () => {
  const asked: string[] = [];
  const dial = (server: string): ClosableTransport => {
    const refuse = (): never => {
      asked.push(server);
      throw new ConnectError('gone', Code.Unavailable);
    };
    return { unary: async () => refuse(), stream: async () => refuse(), close: () => Promise.resolve() };
  };
  const servers = ['http://a:1', 'http://b:1'];
  const options = { url: parseSystemUrl('etcd://a:1,b:1'), credentials: {}, clock: createVirtualClock(), dial };
  const client = openEtcdClient(options, { servers });
  const ask = (): Promise<unknown> =>
    client.call(new AbortController().signal, ({ kv }, call) => kv.range({}, call)).catch(() => undefined);
  await Promise.all([ask(), ask()]);
  await ask();
  const [first, second, third] = asked;
  expect([second, third]).toEqual([first, servers.find((server) => server !== first)]);
});
