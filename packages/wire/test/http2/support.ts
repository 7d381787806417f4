import { createServer, type Server, type Socket } from 'node:net';
import * as http2 from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import {
  createCallContext,
  systemClock,
  type Body,
  type CallError,
  type Clock,
  type Fields,
  type Link,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import type { Http2Limits } from '../../src/http2/limits.ts';
import { frame } from './frame.ts';

export { frame, uint32 } from './frame.ts';

/** What a call came to. */
export interface CallRecord {
  head: ResponseHead | undefined;
  bytes: number;
  chunks: Buffer[];
  trailers: Fields | undefined;
  error: CallError | undefined;
  granted: number;
  /** Terminal events seen; more than 1 breaks the law. */
  ends: number;
}

export interface TestCall {
  readonly body: Body;
  readonly record: CallRecord;
  /** Resolves at the terminal event. */
  readonly done: Promise<CallRecord>;
  /** Resolves at the response head or the terminal event. */
  readonly answered: Promise<CallRecord>;
  /** Resolves when `bytes` have come, or at the terminal event. */
  received(bytes: number): Promise<CallRecord>;
}

export function requestHead(path = '/demo.Echo/Call', fields: Fields = []): RequestHead {
  return {
    method: 'POST',
    path,
    authority: 'test.example',
    scheme: 'http',
    fields: ['content-type', 'application/grpc', 'te', 'trailers', ...fields],
    call: createCallContext('t', 0, '127.0.0.1'),
  };
}

/** Starts a call. With `grant`, read bytes are given back at once. */
export function startCall(
  link: Link,
  head = requestHead(),
  options: { grant?: boolean; keep?: boolean } = {},
): TestCall {
  const done = Promise.withResolvers<CallRecord>();
  const answered = Promise.withResolvers<CallRecord>();
  const waits: { bytes: number; resolve: (record: CallRecord) => void }[] = [];
  const record: CallRecord = {
    head: undefined,
    bytes: 0,
    chunks: [],
    trailers: undefined,
    error: undefined,
    granted: 0,
    ends: 0,
  };
  const settle = () => {
    record.ends += 1;
    answered.resolve(record);
    done.resolve(record);
    for (const wait of waits) wait.resolve(record);
  };
  let returned = false;
  const mustHaveReturned = () => {
    if (!returned) throw new Error('Reply was called before the Service returned');
  };
  const reply: Reply = {
    head(value) {
      mustHaveReturned();
      record.head = value;
      answered.resolve(record);
    },
    write(bytes) {
      record.bytes += bytes.length;
      if (options.keep !== false) record.chunks.push(Buffer.from(bytes));
      if (options.grant !== false) body.grant(bytes.length);
      for (const wait of waits) if (record.bytes >= wait.bytes) wait.resolve(record);
    },
    end(trailers) {
      record.trailers = trailers;
      settle();
    },
    fail(error) {
      mustHaveReturned();
      record.error = error;
      settle();
    },
    grant(bytes) {
      record.granted += bytes;
    },
  };
  const body = link.service(head, reply);
  returned = true;
  return {
    body,
    record,
    done: done.promise,
    answered: answered.promise,
    received(bytes) {
      if (record.bytes >= bytes || record.ends > 0) return Promise.resolve(record);
      const wait = Promise.withResolvers<CallRecord>();
      waits.push({ bytes, resolve: wait.resolve });
      return wait.promise;
    },
  };
}

/** Writes `bytes` under credit, then ends. */
export function upload(call: TestCall, bytes: Uint8Array, chunkBytes = 8192): void {
  let at = 0;
  const step = () => {
    while (at < bytes.length) {
      const room = 65_535 + call.record.granted - at;
      if (room <= 0) {
        if (call.record.ends === 0) setImmediate(step);
        return;
      }
      const count = Math.min(room, chunkBytes, bytes.length - at);
      call.body.write(bytes.subarray(at, at + count));
      at += count;
    }
    call.body.end();
  };
  step();
}

export async function unary(
  link: Link,
  message: Uint8Array = Buffer.from('hello'),
  head = requestHead(),
): Promise<CallRecord> {
  const call = startCall(link, head);
  upload(call, message);
  return await call.done;
}

export interface LinkOptions {
  clock?: Clock;
  maxConnections?: number;
  limits?: Partial<Http2Limits>;
}

export function openLink(port: number, options: LinkOptions = {}): Link {
  return createHttp2Link({ host: '127.0.0.1', port, clock: systemClock, ...options });
}

/** Resolves when the link's readiness is `ready`. Takes the link's one listener. */
export async function readiness(link: Link, ready: boolean): Promise<void> {
  if (link.isReady() === ready) return;
  const changed = Promise.withResolvers<void>();
  link.onReadyChange((now) => {
    if (now === ready) changed.resolve();
  });
  await changed.promise;
}

export interface NodeServer {
  readonly port: number;
  readonly server: http2.Http2Server;
  readonly sessions: Set<http2.ServerHttp2Session>;
  close(): Promise<void>;
}

export async function startNodeServer(
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  settings: http2.Settings = {},
  port = 0,
): Promise<NodeServer> {
  const server = http2.createServer({ settings });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => undefined);
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    onStream(stream, headers);
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    sessions,
    async close() {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers with the request's bytes and an OK status in trailers. */
export function echo(stream: http2.ServerHttp2Stream): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.pipe(stream);
}

interface SeenFrame {
  type: number;
  flags: number;
  streamId: number;
  payload: Buffer;
}

/** A server of bytes: shows the client's frames and sends what it is told. */
export interface RawPeer {
  readonly port: number;
  readonly frames: SeenFrame[];
  /** The first frame that fits, already come or still to come; undefined when the client closes without it. */
  seen(fits: (frame: SeenFrame) => boolean): Promise<SeenFrame | undefined>;
  send(bytes: Uint8Array): void;
  socket(): Promise<Socket>;
  close(): Promise<void>;
}

const PREFACE_BYTES = 24;

export async function startRawPeer(greeting: Uint8Array = frame(4, 0, 0)): Promise<RawPeer> {
  const frames: SeenFrame[] = [];
  const sockets = new Set<Socket>();
  const first = Promise.withResolvers<Socket>();
  let waits: { fits: (frame: SeenFrame) => boolean; resolve: (frame: SeenFrame | undefined) => void }[] = [];
  let ended = false;
  const server: Server = createServer((socket) => {
    const isFirst = sockets.size === 0;
    sockets.add(socket);
    socket.on('error', () => undefined);
    // Later connections are held silent: a test speaks with the first.
    if (!isFirst) return;
    socket.write(greeting);
    first.resolve(socket);
    let held = Buffer.alloc(0);
    let skipped = false;
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      if (!skipped && held.length >= PREFACE_BYTES) {
        held = held.subarray(PREFACE_BYTES);
        skipped = true;
      }
      if (!skipped) return;
      while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
        const size = 9 + held.readUIntBE(0, 3);
        const seen: SeenFrame = {
          type: held[3] as number,
          flags: held[4] as number,
          streamId: held.readUInt32BE(5),
          payload: held.subarray(9, size),
        };
        held = held.subarray(size);
        frames.push(seen);
        waits = waits.filter((wait) => {
          if (!wait.fits(seen)) return true;
          wait.resolve(seen);
          return false;
        });
      }
    });
    socket.on('close', () => {
      ended = true;
      for (const wait of waits) wait.resolve(undefined);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    frames,
    seen(fits) {
      const known = frames.find((seen) => fits(seen));
      if (known !== undefined || ended) return Promise.resolve(known);
      const wait = Promise.withResolvers<SeenFrame | undefined>();
      waits.push({ fits, resolve: wait.resolve });
      return wait.promise;
    },
    send(bytes) {
      void first.promise.then((socket) => socket.write(bytes));
    },
    socket: () => first.promise,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
