import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ConnectRouter, Transport } from '@connectrpc/connect';
import { connectNodeAdapter, createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';

export interface RunningServer extends AsyncDisposable {
  readonly transport: Transport;
}

/** Serves `routes` over real sockets until disposed of. */
export async function startServer(routes: (router: ConnectRouter) => void): Promise<RunningServer> {
  const server = createServer(connectNodeAdapter({ routes }));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sessionManager = new Http2SessionManager(baseUrl);
  return {
    transport: createGrpcTransport({ baseUrl, sessionManager }),
    async [Symbol.asyncDispose]() {
      sessionManager.abort();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
