import { createServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { buildGoProgram } from '../backends/go-program.ts';
import { startWireDriver, type WireCall, type WireDriver } from '../drivers/wire-driver.ts';
import { encodeFrame } from '../grpc-web/request.ts';
import { wait } from '../time.ts';
import type { WorkContext } from '../work.ts';

/** What a server does with a call; everything is as it should be unless it says otherwise. */
interface Saying {
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

const WEB: WireCall = { protocol: 'grpc-web', path: '/bench.v1.EchoService/Echo' };
const GRPC: WireCall = { ...WEB, protocol: 'grpc' };
const STREAM: WireCall = { ...WEB, messages: 3, textBytes: 62 };

type Case = readonly [name: string, saying: Saying];

/** The first of each list is right, the others are each wrong in one way. */
const UNARY: readonly Case[] = [
  ['the right answer', {}],
  ['HTTP 503', { status: 503 }],
  ['another content-type', { contentType: 'text/html' }],
  ['status 14', { code: '14' }],
  ['no status', { code: undefined }],
  ['no message', { messages: () => [] }],
  ['two messages', { messages: (message) => [message, message] }],
  ['a shorter message', { messages: (message) => [message.subarray(1)] }],
  ["another call's message", { messages: (message) => [change(message, 17)] }],
  ['a changed last byte', { messages: (message) => [change(message, message.length - 1)] }],
  ['bytes behind the end', { behind: Buffer.from([0, 0]) }],
  ['a connection that closes', { end: 'cut' }],
];

function numbered(...numbers: number[]): (request: Buffer) => Buffer[] {
  return (request) => numbers.map((number) => streamMessage(request, number));
}

const STREAMS: readonly Case[] = [
  ['the right stream', { messages: numbered(1, 2, 3) }],
  ['a gap', { messages: numbered(1, 3, 4) }],
  ['a message twice', { messages: numbered(1, 1, 2) }],
  ['one message less', { messages: numbered(1, 2) }],
  ['one message more', { messages: numbered(1, 2, 3, 4) }],
  [
    'a changed byte',
    { messages: (request) => numbered(1, 2, 3)(request).map((each, i) => (i === 1 ? change(each, 60) : each)) },
  ],
  ['status 14 behind all messages', { messages: numbered(1, 2, 3), code: '14' }],
  ['a connection that closes', { messages: numbered(1, 2), end: 'cut' }],
];

/** Streams that are to stay open behind one message. */
const HELD: readonly Case[] = [
  ['a stream that stays', { messages: numbered(1), end: 'open' }],
  ['a stream that ends by itself', { messages: numbered(1) }],
  ['a connection that closes', { messages: numbered(1), end: 'cut' }],
  ['a second message', { messages: numbered(1, 2), end: 'open' }],
];

const STREAMS_HELD = 4;

/** Lies to the driver in Go. Resolves with what it got wrong, and how many lies there were; undefined without Go. */
export async function checkWireDriver({
  folder,
  print,
}: WorkContext): Promise<{ lies: number; wrong: string[] } | undefined> {
  const program = await buildGoProgram('driver-go').catch((error: Error) =>
    print(`the driver in Go is left out: ${error.message}`),
  );
  if (program === undefined) return undefined;
  const driver = await startWireDriver(program, folder);
  const wrong: string[] = [];
  let lies = 0;
  for (const http of ['1.1', '2'] as const) {
    const liar = await startLiar(http);
    const to = { port: liar.port, http, tls: false, connections: 2 };
    for (const [call, cases] of [
      [WEB, UNARY],
      ...(http === '2' ? [[GRPC, UNARY] as const] : []),
      [STREAM, STREAMS],
    ] as const) {
      for (const [name, saying] of cases) {
        // gRPC's status is in fields, so its bytes end with the message.
        liar.say(saying, call.protocol);
        await driver.connect(to);
        await driver.start({ call, inFlight: 1 });
        await wait(20);
        const { ok, failed } = await driver.stop();
        const isRight = saying === cases[0]?.[1];
        if (isRight ? failed > 0 || ok === 0 : ok > 0 || failed === 0) {
          wrong.push(`the driver in Go misjudges ${name} (${call.protocol}, HTTP/${http}): ${ok} ok, ${failed} failed`);
        }
        if (!isRight) lies++;
      }
    }
    for (const [name, saying] of HELD) {
      liar.say(saying, 'grpc-web');
      const isHeld = await holds(driver, { ...to, connections: STREAMS_HELD });
      if (isHeld !== (saying === HELD[0]?.[1])) wrong.push(`the driver in Go misjudges ${name} (HTTP/${http})`);
      if (saying !== HELD[0]?.[1]) lies++;
    }
    await driver.disconnect();
    await liar.close();
  }
  await driver.end();
  print(`the driver in Go: ${lies} lies, ${wrong.length} misjudged`);
  return { lies, wrong };
}

async function holds(driver: WireDriver, to: Parameters<WireDriver['connect']>[0]): Promise<boolean> {
  await driver.connect(to);
  await driver.hold({ ...STREAM, messages: 1 }, STREAMS_HELD);
  await wait(20);
  const { open, messages, failed } = await driver.held();
  return open === STREAMS_HELD && messages === STREAMS_HELD && failed === 0;
}

interface Liar {
  readonly port: number;
  say(saying: Saying, protocol: WireCall['protocol']): void;
  close(): Promise<void>;
}

type Answer = Writable & {
  writeHead(status: number, fields: Record<string, string>): unknown;
  addTrailers(trailers: Record<string, string>): void;
};

async function startLiar(http: '1.1' | '2'): Promise<Liar> {
  let current: Saying = {};
  let protocol: WireCall['protocol'] = 'grpc-web';
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

/** What a right server streams as number `number` to a request, behind whose tag and length stands the call id. */
function streamMessage(request: Buffer, number: number): Buffer {
  const callId = request.toString('latin1', 2, 18);
  const text = `${callId}${number.toString(16).padStart(8, '0')}`.padEnd(STREAM.textBytes ?? 0, '.');
  return Buffer.from(`\x0a${String.fromCharCode(text.length)}${text}`, 'latin1');
}

function change(message: Buffer, at: number): Buffer {
  const other = Buffer.from(message);
  other[at] = other[at] === 0x61 ? 0x62 : 0x61;
  return other;
}
