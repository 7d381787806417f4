import { connect } from 'node:net';
import type { Endpoint } from '@bascule/core';
import { explainSocket } from './socket-failure.ts';

/** Somebody accepts connections; nothing is sent. */
export async function connectOnce({ host, port }: Endpoint, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ host, port });
  const end = (): void => reject(signal.reason);
  signal.addEventListener('abort', end);
  socket.unref();
  socket.on('connect', resolve);
  socket.on('error', (error) => reject(explainSocket(error)));
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', end);
    socket.destroy();
  }
}
