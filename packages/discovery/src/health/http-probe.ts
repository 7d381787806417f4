import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Endpoint } from '@bascule/core';
import type { ProbeTls } from './probes.ts';
import { explainSocket } from './socket-failure.ts';

/**
 * GET over a new HTTP/1.1 connection: 2xx passes. A redirect fails, since following it would let an endpoint have its
 * checker call whom it names. The status alone is read: heads of more than Node's 16 KiB fail, bodies are not waited for.
 */
export async function getOnce(
  endpoint: Endpoint,
  probe: { readonly path: string; readonly port: number | undefined; readonly tls?: boolean | undefined },
  tlsOfCalls: ProbeTls | undefined,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const headers = { connection: 'close', 'user-agent': 'bascule-health' };
  const { host, port } = endpoint;
  // Behind another port there is another server, which most often has no certificate of its own.
  const tls = (probe.tls ?? probe.port === undefined) ? tlsOfCalls : undefined;
  const wish = { host, port: probe.port ?? port, path: probe.path, headers, agent: false, signal };
  const call = tls === undefined ? request(wish) : requestTls({ ...tls.optionsFor('http/1.1'), ...wish });
  call.on('socket', (socket) => void socket.unref());
  call.on('response', ({ statusCode = 0 }) => {
    if (statusCode >= 200 && statusCode < 300) resolve();
    else reject(new Error(`GET ${probe.path} answers ${statusCode}`));
  });
  // The listener stays after the end, or what a destroyed connection says late would be an uncaught error.
  call.on('error', (error) => {
    reject(signal.aborted ? signal.reason : explainSocket(error, tls?.explain(error, 'http/1.1')));
  });
  call.end();
  try {
    await promise;
  } finally {
    call.destroy();
  }
}
