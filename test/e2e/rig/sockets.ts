import { systemClock, type Service } from '@bascule/core';
import { createDialectLayer, listen } from '@bascule/wire';
import type { Transport } from '@connectrpc/connect';
import { connectSocket, type SocketClient } from '../../../packages/wire/test/websocket/client.ts';
import { connectGrpc } from './dialects.ts';

/** Connect clients over one WebSocket. */
export interface ConnectedSocket extends AsyncDisposable {
  readonly transport: Transport;
  readonly socket: SocketClient;
}

/** Opens a socket at a gateway, with a gRPC listener of this process in front of it, so that usual clients can call. */
export async function connectWebSocket(baseUrl: string): Promise<ConnectedSocket> {
  const socket = await connectSocket(`${baseUrl.replace('http', 'ws')}/bascule.v1/ws`);
  const other: Service = () => {
    throw new Error('only calls come here');
  };
  const layer = createDialectLayer({ clock: systemClock, other, maxMessageBytes: 64 * 1_048_576 });
  const options = { host: '127.0.0.1', port: 0, clock: systemClock };
  const listener = await listen({ ...options, service: layer(socket.service) });
  const connected = connectGrpc(`http://127.0.0.1:${listener.port}`);
  return {
    transport: connected.transport,
    socket,
    async [Symbol.asyncDispose]() {
      connected[Symbol.dispose]();
      await listener.close(0);
      await socket.close();
    },
  };
}
