import { createServer, type AddressInfo, type Socket } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { WatchResponseSchema } from '@bascule/app-backend/gen/demo/ranking/v1/ranking_pb.ts';
import { echoProbe } from '../drivers/echo-probe.ts';
import { StreamCall, type StreamFault } from '../drivers/stream-call.ts';
import { createUnaryDriver } from '../drivers/unary-driver.ts';
import { encodeChunk, encodeFrame } from '../grpc-web/request.ts';
import { wait } from '../time.ts';
import type { Work } from '../work.ts';
import { checkWireDriver } from './check-wire.ts';

const TRAILERS_OK = Buffer.from('\x80\x00\x00\x00\x0fgrpc-status:0\r\n', 'latin1');
const TRAILERS_14 = Buffer.from('\x80\x00\x00\x00\x10grpc-status:14\r\n', 'latin1');

/** What a server says to a request; undefined cuts the connection. */
type Saying = (message: Buffer) => Buffer | undefined;

/** Unary answers: the first is right, the others are each wrong in one way, and none may pass for a good one. */
const SAYINGS: readonly (readonly [string, Saying])[] = [
  ['the right answer', (message) => http(200, encodeFrame(message), TRAILERS_OK)],
  ['HTTP 503', (message) => http(503, encodeFrame(message), TRAILERS_OK)],
  ['status 14 behind the message', (message) => http(200, encodeFrame(message), TRAILERS_14)],
  ['no trailers', (message) => http(200, encodeFrame(message))],
  ['no message', () => http(200, TRAILERS_OK)],
  ['two messages', (message) => http(200, encodeFrame(message), encodeFrame(message), TRAILERS_OK)],
  ['another message', (message) => http(200, encodeFrame(message.subarray(1)), TRAILERS_OK)],
  ["another call's message", (message) => http(200, encodeFrame(swapDigit(message)), TRAILERS_OK)],
  ['a message cut short', (message) => http(200, encodeFrame(message).subarray(0, 40))],
  ['bytes behind the trailers', (message) => http(200, encodeFrame(message), TRAILERS_OK, Buffer.from([0, 0]))],
  ['a connection that closes', () => undefined],
];

/** Streams of Watch, by the sequence numbers they bring and how they go on; undefined stays open. */
const STREAMS: readonly (readonly [
  string,
  readonly Partial<Said>[],
  Buffer | 'cut' | undefined,
  StreamFault | 'none',
])[] = [
  ['a right stream', [{}, {}, {}], undefined, 'none'],
  ['a gap', [{}, { sequence: 3n }], undefined, 'gapped'],
  ['a message twice', [{}, { sequence: 1n }], undefined, 'gapped'],
  ['a message of another call', [{}, { callId: 'x' }], undefined, 'wrong call id'],
  ['a change of version', [{}, { version: '9' }], undefined, 'moved'],
  ['an end that nobody asked for', [{}], TRAILERS_OK, 'cut'],
  ['a failure', [{}], TRAILERS_14, 'cut'],
  ['a connection that closes', [{}], 'cut', 'cut'],
  ['a connection that closes at once', [], 'cut', 'failed'],
];

interface Said {
  readonly callId: string;
  readonly sequence: bigint;
  readonly version: string;
}

const CALL_ID = 'check';

/** Whether the drivers see what is wrong: numbers of a driver that believes everything are worth nothing. */
export const runCheck: Work = async (context) => {
  const { report, print } = context;
  const wrong: string[] = [];
  for (const [name, saying] of SAYINGS) {
    const { ok, failed } = await askUnary(saying);
    const isRight = saying === SAYINGS[0]?.[1];
    print(`${name}: ${ok} ok, ${failed} failed`);
    if (isRight ? failed > 0 || ok === 0 : ok > 0 || failed === 0) wrong.push(`the unary driver misjudges ${name}`);
  }
  for (const [name, messages, end, expected] of STREAMS) {
    const found = await askStream(messages, end);
    print(`${name}: ${found}`);
    if (found !== expected) wrong.push(`the stream driver calls ${name} ${found}`);
  }
  const ofWire = await checkWireDriver(context);
  wrong.push(...(ofWire?.wrong ?? []));
  print('');
  const lies = SAYINGS.length + STREAMS.length - 2 + (ofWire?.lies ?? 0);
  report.add({ work: 'drivers', subject: 'wrong answers', metric: 'tried', unit: '' }, [lies]);
  report.add({ work: 'drivers', subject: 'wrong answers', metric: 'not found', unit: '' }, [wrong.length]);
  return wrong;
};

async function askUnary(saying: Saying): Promise<{ ok: number; failed: number }> {
  const server = await serve((socket) => {
    let received = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      const body = received.indexOf('\r\n\r\n') + 4;
      if (body < 4 || received.length < body + 75) return;
      const answer = saying(received.subarray(body + 5, body + 75));
      received = Buffer.alloc(0);
      if (answer === undefined) socket.destroy();
      else socket.write(answer);
    });
  });
  const driver = createUnaryDriver({
    host: '127.0.0.1',
    port: server.port,
    probe: echoProbe,
    driver: 1,
    keepCalls: false,
  });
  await driver.connect(2);
  driver.start(undefined);
  await wait(30);
  const answer = await driver.stop();
  driver.close();
  await server.close();
  return answer;
}

async function askStream(messages: readonly Partial<Said>[], end: Buffer | 'cut' | undefined): Promise<string> {
  const server = await serve((socket) => {
    socket.once('data', () => {
      if (messages.length > 0) socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n');
      messages.forEach((message, i) => {
        const said = { callId: CALL_ID, sequence: BigInt(i + 1), version: '1', ...message };
        socket.write(encodeChunk(encodeFrame(toBinary(WatchResponseSchema, create(WatchResponseSchema, said)))));
      });
      if (end === 'cut') socket.end();
      else if (end !== undefined) socket.write(encodeChunk(end));
    });
  });
  let found = 'none';
  const stream = new StreamCall({
    host: '127.0.0.1',
    port: server.port,
    kind: 'watch',
    callId: CALL_ID,
    intervalMs: 10,
    onFault: (fault) => (found = fault),
  });
  await wait(30);
  await stream.end();
  await server.close();
  return found;
}

async function serve(take: (socket: Socket) => void): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    take(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

function http(status: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${status} X\r\ncontent-length: ${body.length}\r\n\r\n`), body]);
}

/** The same message with another call id of the same length. */
function swapDigit(message: Buffer): Buffer {
  const other = Buffer.from(message);
  other[8] = other[8] === 0x61 ? 0x62 : 0x61;
  return other;
}
