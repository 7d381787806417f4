import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { encodeFrame } from '../grpc-web/request.ts';

/** What a server does with a call; everything is as it should be unless it says otherwise. */
export interface Saying {
  readonly status?: number;
  readonly contentType?: string;
  readonly messages?: (message: Buffer) => readonly Buffer[];
  /** `grpc-status`; undefined leaves it out. */
  readonly code?: string | undefined;
  /** Bytes behind all else. */
  readonly behind?: Buffer;
  /** How it ends; `open` not at all. */
  readonly end?: 'well' | 'cut' | 'open';
}

/** A server that says what it is told to. */
interface Liar {
  readonly port: number;
  say(saying: Saying, protocol: 'grpc-web' | 'grpc'): void;
  close(): Promise<void>;
}

type Answer = Writable & {
  writeHead(status: number, fields: Record<string, string>): unknown;
  addTrailers(trailers: Record<string, string>): void;
};

export async function startLiar(http: '1.1' | '2'): Promise<Liar> {
  let current: Saying = {};
  let protocol: 'grpc-web' | 'grpc' = 'grpc-web';
  const connections = new Set<{ destroy(): void }>();

  function answer(request: Readable, response: Answer, cut: () => void): void {
    const pieces: Buffer[] = [];
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    request.on('data', (piece: Buffer) => void pieces.push(piece));
    request.on('end', () => {
      const { status = 200, contentType = `application/${protocol}`, end = 'well', behind } = current;
      const code = 'code' in current ? current.code : '0';
      const message = Buffer.concat(pieces).subarray(5);
      const messages = current.messages?.(message) ?? [message];
      const isWeb = protocol === 'grpc-web';
      response.writeHead(status, { 'content-type': contentType, ...(isWeb ? {} : { trailer: 'grpc-status' }) });
      for (const each of messages) response.write(encodeFrame(each));
      if (end === 'cut') setTimeout(cut, 2);
      if (end !== 'well') return;
      if (code !== undefined && isWeb) response.write(trailerFrame(code));
      if (code !== undefined && !isWeb) response.addTrailers({ 'grpc-status': code });
      if (behind !== undefined) response.write(behind);
      response.end();
    });
  }

  const server =
    http === '2'
      ? createHttp2Server((request, response) => answer(request, response, () => request.stream.session?.destroy()))
      : createServer((request, response) => answer(request, response, () => request.socket.destroy()));
  server.on('connection', (socket: { destroy(): void; once(event: string, hear: () => void): void }) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    say(saying, spoken) {
      current = saying;
      protocol = spoken;
    },
    close() {
      for (const connection of connections) connection.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

function trailerFrame(code: string): Buffer {
  const frame = encodeFrame(Buffer.from(`grpc-status: ${code}\r\n`, 'latin1'));
  frame[0] = 0x80;
  return frame;
}
