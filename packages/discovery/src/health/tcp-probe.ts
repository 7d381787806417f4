import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '@bascule/core';
import type { ProbeTls } from './probes.ts';
import { explainSocket } from './socket-failure.ts';

/** Somebody accepts connections, and over TLS is who it should be; no call is sent. */
export async function connectOnce(
  { host, port }: Endpoint,
  tls: ProbeTls | undefined,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = tls === undefined ? connect({ host, port }) : connectTls(tls.optionsFor());
  const end = (): void => reject(signal.reason);
  signal.addEventListener('abort', end);
  socket.unref();
  socket.on(tls === undefined ? 'connect' : 'secureConnect', () => resolve());
  socket.on('error', (error) => reject(explainSocket(error, tls?.explain(error))));
  try {
    await promise;
  } finally {
    signal.removeEventListener('abort', end);
    socket.destroy();
  }
}
