import { once } from 'node:events';
import { WebSocket } from 'ws';
import {
  callError,
  Code,
  encodeMessage,
  INITIAL_CREDIT_BYTES,
  type Body,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { decode, encode, type Frame } from './frames.ts';

/** A caller over one WebSocket. */
export interface SocketClient {
  readonly webSocket: WebSocket;
  /** Calls in the inner dialect. */
  readonly service: Service;
  /** Last ids of the go-aways so far. */
  readonly goAways: number[];
  /** Close code and reason. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  openCalls(): number;
  /** Closes and waits for it. */
  close(): Promise<void>;
}

/** A message of more is sent at once: with one more frame it still is below what the server takes. */
const MESSAGE_BYTES = 65_536;

interface Call {
  readonly reply: Reply;
  over: boolean;
}

/** Opens a socket; `url` as in `ws://127.0.0.1:1/bascule.v1/ws`. */
export async function connectSocket(url: string, options: object = {}): Promise<SocketClient> {
  const client = wrapSocket(new WebSocket(url, 'bascule.v1', { perMessageDeflate: false, ...options }));
  await once(client.webSocket, 'open');
  return client;
}

/** Makes a caller of a socket that is open or about to be. */
export function wrapSocket(webSocket: WebSocket): SocketClient {
  const calls = new Map<number, Call>();
  const goAways: number[] = [];
  const closing = Promise.withResolvers<{ code: number; reason: string }>();
  let lastId = 0;
  let gathered: Buffer[] = [];
  let gatheredBytes = 0;

  function send(frame: Buffer): void {
    gatheredBytes += frame.length;
    if (gathered.push(frame) === 1) setImmediate(flush);
    if (gatheredBytes > MESSAGE_BYTES) flush();
  }

  function flush(): void {
    if (gathered.length === 0) return;
    const message = Buffer.concat(gathered);
    gathered = [];
    gatheredBytes = 0;
    webSocket.send(message);
  }

  function take(frame: Frame): void {
    if (frame.type === 'goAway') return void goAways.push(frame.lastId);
    const call = calls.get(frame.id);
    if (call === undefined) return;
    switch (frame.type) {
      case 'head':
        return call.reply.head({ status: 200, fields: ['content-type', 'application/grpc', ...frame.fields] });
      case 'data':
        return call.reply.write(frame.bytes);
      case 'grant':
        return call.reply.grant(frame.bytes);
      case 'trailers': {
        finish(frame.id, call);
        const trailers = ['grpc-status', String(frame.code)];
        if (frame.message !== '') trailers.push('grpc-message', encodeMessage(frame.message));
        if (frame.details.length > 0) trailers.push('grpc-status-details-bin', frame.details.toString('base64'));
        return call.reply.end([...trailers, ...frame.fields]);
      }
    }
  }

  function finish(id: number, call: Call): void {
    call.over = true;
    calls.delete(id);
  }

  function lose(): void {
    for (const [id, call] of calls) {
      finish(id, call);
      call.reply.fail(callError(Code.unavailable, 'the socket closed'));
    }
  }

  function service(head: RequestHead, reply: Reply): Body {
    const id = ++lastId;
    const call: Call = { reply, over: false };
    calls.set(id, call);
    const timeoutMs = head.call.deadlineMs === undefined ? 0 : Math.ceil(head.call.deadlineMs - performance.now());
    send(encode.open(id, { path: head.path, timeoutMs, fields: head.fields.slice(4) }));
    const tell = (frame: () => Buffer): void => void (call.over || send(frame()));
    return {
      write: (bytes) => tell(() => encode.data(id, bytes)),
      end: () => tell(() => encode.end(id)),
      grant: (bytes) => tell(() => encode.grant(id, bytes)),
      cancel() {
        tell(() => encode.cancel(id));
        finish(id, call);
      },
    };
  }

  webSocket.on('message', (message: Buffer) => decode(message).forEach(take));
  webSocket.on('error', () => {});
  webSocket.on('close', (code, reason) => {
    lose();
    closing.resolve({ code, reason: reason.toString() });
  });
  return {
    webSocket,
    service,
    goAways,
    closed: closing.promise,
    openCalls: () => calls.size,
    async close() {
      webSocket.close();
      await closing.promise;
    },
  };
}

/** What a whole unary answer is. */
export interface Answer {
  readonly code: number;
  readonly bytes: Buffer;
  readonly trailers: readonly string[];
}

/** Sends bytes, grants all that comes, and waits for the end. */
export function call(client: Pick<SocketClient, 'service'>, head: RequestHead, request: Uint8Array): Promise<Answer> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const body = client.service(head, {
      head() {},
      write(bytes) {
        chunks.push(Buffer.from(bytes));
        body.grant(bytes.length);
      },
      end: (trailers) => resolve({ code: Number(trailers[1]), bytes: Buffer.concat(chunks), trailers }),
      fail: ({ code, message }) => resolve({ code, bytes: Buffer.concat(chunks), trailers: ['failed', message] }),
      grant() {},
    });
    if (request.length > INITIAL_CREDIT_BYTES) throw new Error('more than the initial credit');
    if (request.length > 0) body.write(request);
    body.end();
  });
}
