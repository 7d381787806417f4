import { buildGoProgram } from '../backends/go-program.ts';
import { startWireDriver, type WireCall, type WireDriver } from '../drivers/wire-driver.ts';
import { wait } from '../time.ts';
import type { WorkContext } from '../work.ts';
import { startLiar, type Saying } from './liar.ts';

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
