import { connect, createServer, type AddressInfo } from 'node:net';
import { nowMs, wait } from '../time.ts';

/** A port that nobody listens on at this moment, for programs that cannot choose one themselves. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

const LISTENING_MS = 15_000;

/** Resolves when somebody accepts connections on a port. */
export async function waitForPort(port: number): Promise<void> {
  const startedMs = nowMs();
  while (!(await accepts(port))) {
    if (nowMs() - startedMs > LISTENING_MS) throw new Error(`nobody listens on port ${port} after ${LISTENING_MS} ms`);
    await wait(20);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
