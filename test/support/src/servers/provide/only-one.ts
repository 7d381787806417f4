import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/**
 * Runs the work while no other process of this machine runs work of this name; calls `onWait` once when it has to wait. The lock
 * is a socket without a file, so that it goes with a process that is killed. That is Linux alone: elsewhere nobody waits, and
 * work must bear being done twice at once.
 */
export async function onlyOne<T>(name: string, onWait: () => void, work: () => Promise<T>): Promise<T> {
  if (process.platform !== 'linux') return work();
  const path = `\0bascule-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  let release = await bind(path);
  if (release === undefined) onWait();
  while (release === undefined) {
    await untilReleased(path);
    release = await bind(path);
  }
  try {
    return await work();
  } finally {
    release();
  }
}

async function bind(path: string): Promise<(() => void) | undefined> {
  // Who waits stays connected, and is told by the end of that.
  const waiting = new Set<Socket>();
  const lock = createServer((socket) => {
    waiting.add(socket.on('error', () => undefined));
    socket.on('close', () => waiting.delete(socket));
  }).listen(path);
  try {
    await once(lock, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  return () => {
    lock.close();
    for (const socket of waiting) socket.destroy();
  };
}

async function untilReleased(path: string): Promise<void> {
  const socket = connect(path);
  // One that is killed resets it: that is a release as well.
  socket.on('error', () => undefined).resume();
  await new Promise((resolve) => socket.once('close', resolve));
}
