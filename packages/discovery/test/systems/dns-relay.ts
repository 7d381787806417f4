import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { startRelay } from '@bascule/testing/servers';
import type { RelayUnderTest } from '../contract/system-under-test.ts';

/** A relay for what speaks UDP and TCP on one port. */
export async function startDnsRelay(targetPort: number): Promise<RelayUnderTest> {
  const tcp = await startRelay(targetPort);
  const ways = new Map<string, Socket>();
  const held: (() => void)[] = [];
  let isStalled = false;
  let front: Socket | undefined;

  const pass = (act: () => void): void => {
    if (isStalled) held.push(act);
    else act();
  };
  const wayFor = (client: RemoteInfo): Socket => {
    const key = `${client.address}:${client.port}`;
    const known = ways.get(key);
    if (known !== undefined) return known;
    const way = createSocket('udp4');
    ways.set(key, way);
    way.on('message', (bytes) => pass(() => front?.send(bytes, client.port, client.address)));
    way.on('error', () => undefined);
    return way;
  };
  const listen = async (): Promise<void> => {
    const socket = createSocket('udp4');
    socket.on('message', (bytes, client) => {
      pass(() => {
        if (front === socket) wayFor(client).send(bytes, targetPort, '127.0.0.1');
      });
    });
    socket.bind(tcp.port, '127.0.0.1');
    await once(socket, 'listening');
    front = socket;
  };
  const cut = async (): Promise<void> => {
    front?.close();
    front = undefined;
    for (const way of ways.values()) way.close();
    ways.clear();
    held.length = 0;
    await tcp.cut();
  };
  await listen();

  return {
    port: tcp.port,
    get connections() {
      return tcp.connections;
    },
    cut,
    async restore() {
      await tcp.restore();
      if (front === undefined) await listen();
    },
    stall() {
      isStalled = true;
      tcp.stall();
    },
    unstall() {
      isStalled = false;
      tcp.unstall();
      for (const act of held.splice(0)) act();
    },
    close: cut,
  };
}
