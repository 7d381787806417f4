import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { canStart, startEtcd, startZookeeper, type RealServer } from '@bascule/testing/servers';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterEach, describe, expect, it } from 'vitest';
import { createEndpoint } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

/** Takes the TLS off in front of a server. */
async function startFront(server: RealServer): Promise<number> {
  const sockets = new Set<TLSSocket>();
  const front = createServer({ ...TEST_TLS, ALPNProtocols: ['h2'] }, (socket) => {
    sockets.add(socket);
    const behind = connect(server.port, '127.0.0.1');
    behind.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('error', () => behind.destroy()).on('close', () => behind.destroy());
    socket.pipe(behind).pipe(socket);
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  opened.add({
    async close() {
      for (const socket of sockets) socket.destroy();
      front.close();
      await once(front, 'close');
    },
  });
  return (front.address() as AddressInfo).port;
}

const SYSTEMS = [
  { name: 'etcd', scheme: 'etcd+https', start: startEtcd },
  { name: 'zookeeper', scheme: 'zookeeper+tls', start: startZookeeper },
] as const;

describe.each(SYSTEMS.filter(({ name }) => canStart(name)))('$name over TLS', ({ scheme, start }) => {
  it('serves whoever trusts it, and says why to whoever does not', async () => {
    await using server = await start();
    const url = `${scheme}://localhost:${await startFront(server)}/x`;
    const credentials = { tls: { ca: TEST_TLS.cert } };
    await (
      await opened.register(url, createEndpoint(1), { credentials })
    ).registrar.registered;
    await has(await opened.follow(url, { credentials }), ['places-1']);
    const doubting = await opened.follow(url);
    await until('it is refused', () => doubting.source.status().error !== undefined);
    expect(doubting.source.status().error).toMatch(/certificate|SELF_SIGNED_CERT/);
    await opened.closeAll();
  });
});
