import { onTestFinished } from 'vitest';
import type { Reply, RequestHead, Service } from '@bascule/core';
import type { AbuseKind } from '../../src/listener/abuse.ts';
import type { Listener, ListenOptions } from '../../src/listener.ts';
import type { WebSocketLimits } from '../../src/websocket/limits.ts';
import { startListener } from '../listener/support.ts';
import { connectSocket, type SocketClient } from './client.ts';

export interface SocketRig {
  readonly listener: Listener;
  readonly url: string;
  readonly abuses: AbuseKind[];
  readonly connect: (options?: object) => Promise<SocketClient>;
}

/** A listener with sockets, and clients that the test need not close. */
export async function startSockets(
  service: Service,
  options: Partial<ListenOptions> & { readonly socketLimits?: Partial<WebSocketLimits> } = {},
): Promise<SocketRig> {
  const abuses: AbuseKind[] = [];
  const { socketLimits = {}, ...rest } = options;
  const listener = await startListener(service, {
    webSocket: { limits: socketLimits },
    onAbuse: (kind) => void abuses.push(kind),
    ...rest,
  });
  const url = `ws://127.0.0.1:${listener.port}/bascule.v1/ws`;
  return {
    listener,
    url,
    abuses,
    async connect(clientOptions = {}) {
      const client = await connectSocket(url, clientOptions);
      onTestFinished(() => client.webSocket.terminate());
      return client;
    },
  };
}

/** Answers nothing until told. */
export function holdingService(): { readonly service: Service; readonly held: readonly Held[] } {
  const held: Held[] = [];
  return {
    held,
    service: (head, reply) => {
      const one: Held = { head, reply, cancels: [], received: 0, ended: false };
      held.push(one);
      return {
        write: (bytes) => void (one.received += bytes.length),
        end: () => void (one.ended = true),
        cancel: (reason) => void one.cancels.push(reason),
        grant() {},
      };
    },
  };
}

export interface Held {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly cancels: string[];
  received: number;
  ended: boolean;
}
