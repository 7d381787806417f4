import { systemClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createDnsResolver } from '../../../src/peers/dns/resolver.ts';
import { parseServers, readServers } from '../../../src/peers/dns/servers.ts';
import { createCountingClock } from '../../contract/counting-clock.ts';
import { a, startFakeDns } from './fake-server.ts';

describe('the servers of the machine', () => {
  it.each([
    ['', ['127.0.0.1'], 2_000, 2],
    ['nameserver 10.0.0.2\nsearch a b\nnameserver ::1 # here\n', ['10.0.0.2', '::1'], 2_000, 2],
    [
      'nameserver 1.1.1.1\nnameserver 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4',
      ['1.1.1.1', '2.2.2.2', '3.3.3.3'],
      2_000,
      2,
    ],
    ['# nameserver 1.1.1.1\n;nameserver 2.2.2.2\nnameserver ns.test\nnameserver\n', ['127.0.0.1'], 2_000, 2],
    ['nameserver fe80::1%eth0\noptions ndots:5 timeout:3 attempts:4 rotate', ['fe80::1%eth0'], 3_000, 4],
    ['options timeout:0 attempts:99', ['127.0.0.1'], 1_000, 5],
    ['options timeout:999999 attempts:0', ['127.0.0.1'], 30_000, 1],
    ['options timeout:x attempts:', ['127.0.0.1'], 2_000, 2],
  ])('are read from %j', (text, hosts, timeoutMs, attempts) => {
    expect(parseServers(text)).toEqual({ servers: hosts.map((host) => ({ host, port: 53 })), timeoutMs, attempts });
  });

  it('are the machine itself where there is no file', async () => {
    expect((await readServers('/nowhere/resolv.conf')).servers).toEqual([{ host: '127.0.0.1', port: 53 }]);
  });
});

describe('several servers', () => {
  it('are passed over where there is no way to them', async () => {
    const good = await startFakeDns();
    good.answer(({ name }) => ({ answers: [a(name, '10.0.0.1')] }));
    // Nobody may send there without having asked for it: connecting the socket fails at once.
    const servers = [
      { host: '255.255.255.255', port: 53 },
      { host: '127.0.0.1', port: good.port },
    ];
    const resolver = createDnsResolver({
      clock: systemClock,
      servers: () => Promise.resolve({ servers, timeoutMs: 2_000, attempts: 1 }),
    });
    const lookup = await resolver.lookup({ name: 'a.test', type: 'A' }, new AbortController().signal);
    expect(lookup.found).toBe('records');
    await good.close();
  });

  it('are asked one after the other, and the one that answered is asked first the next time', async () => {
    const [dead, refusing, good] = [await startFakeDns(), await startFakeDns(), await startFakeDns()];
    await dead.close();
    refusing.answer(() => ({ code: 'REFUSED' }));
    good.answer(({ name }) => ({ answers: [a(name, '10.0.0.1')] }));
    const servers = [dead, refusing, good].map(({ port }) => ({ host: '127.0.0.1', port }));
    const clock = createCountingClock();
    const resolver = createDnsResolver({
      clock,
      servers: () => Promise.resolve({ servers, timeoutMs: 5_000, attempts: 1 }),
    });
    const { signal } = new AbortController();
    for (const name of ['a.test', 'b.test']) {
      expect(await resolver.lookup({ name, type: 'A' }, signal)).toMatchObject({ found: 'records', ttlSeconds: 10 });
    }
    expect([refusing.asked.length, good.asked.length]).toEqual([1, 2]);
    await good.close();
    await expect(resolver.lookup({ name: 'c.test', type: 'A' }, signal)).rejects.toThrow(
      `A of c.test: 127.0.0.1:${good.port}: nobody listens there; 127.0.0.1:${dead.port}: nobody listens there; ` +
        `127.0.0.1:${refusing.port}: REFUSED`,
    );
    expect(clock.pending()).toBe(0);
    await refusing.close();
  });

  it('are not asked any more once nobody wants to know', async () => {
    const silent = await startFakeDns();
    const ending = new AbortController();
    const resolver = createDnsResolver({
      clock: systemClock,
      servers: () =>
        Promise.resolve({ servers: [{ host: '127.0.0.1', port: silent.port }], timeoutMs: 60_000, attempts: 5 }),
    });
    const lookup = resolver.lookup({ name: 'a.test', type: 'A' }, ending.signal);
    await expect.poll(() => silent.asked.length).toBe(1);
    ending.abort(new Error('enough'));
    await expect(lookup).rejects.toThrow('enough');
    expect(silent.asked.length).toBe(1);
    await silent.close();
  });
});
