import type { Socket } from 'node:net';
import type { Edge } from '../../listener/edge.ts';
import { ServerConnection, type ConnectionShare } from './connection.ts';
import { createSharedBlocks } from './request-blocks.ts';
import { ResponseEncoder } from './response-encoder.ts';

/** The HTTP/2 side of a listener. */
export interface Http2Edge {
  /** Takes a connection; `seen` are bytes of it that were read already. */
  accept(socket: Socket, seen?: Buffer): void;
  /** Says GOAWAY to all; each closes after its last stream. */
  drain(): void;
}

/** Serves HTTP/2 connections. */
export function createHttp2Edge(edge: Edge): Http2Edge {
  const connections = new Set<ServerConnection>();
  const share: ConnectionShare = {
    edge,
    blocks: createSharedBlocks(),
    responses: new ResponseEncoder(),
    onClosed: (connection) => void connections.delete(connection),
  };
  return {
    accept(socket, seen) {
      const connection = new ServerConnection(socket, share);
      connections.add(connection);
      if (seen !== undefined) connection.read(seen);
    },
    drain() {
      for (const connection of connections) connection.shutDown('drain');
    },
  };
}
