import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { createEchoRoutes } from './echo-handlers.ts';
import type { ServeEcho } from './echo-process.ts';

export const serveEcho: ServeEcho = async (counts, http) => {
  const handler = connectNodeAdapter({ routes: createEchoRoutes(counts) });
  const server = http === '2' ? createHttp2Server(handler) : createServer(handler);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
};
