import { connect, type Socket } from 'node:net';
import { pause, type Chance } from './chance.ts';
import { encodeFields, encodeFrame, FrameKind } from './frames.ts';

/** A socket that says pieces of HTTP/1.1 and leaves without a word: half heads, half bodies, requests in a row. */
async function beRudeInHttp1(port: number, chance: Chance): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  if (chance.chance(0.7)) socket.resume();
  const body = JSON.stringify(JSON.stringify({ id: -1, method: 'watch', count: 1000, seq: 0, pad: 'r'.repeat(500) }));
  const post = (method: string, length: number): string =>
    `POST /chaos.v1.ChaosService/${method} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
  const web =
    'POST /chaos.v1.ChaosService/Watch HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web+proto\r\ntransfer-encoding: chunked\r\n\r\n';
  const pieces = [
    post('Get', body.length),
    body,
    post('Get', 1_000_000),
    'x'.repeat(chance.int(200_000)),
    web,
    '5\r\n\0\0\0\0\0\r\n0\r\n\r\n',
    'GET /nothing HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello',
    'HEAD /chaos.v1.ChaosService/Get HTTP/1.1\r\nhost: a\r\n\r\n',
    'OPTIONS /chaos.v1.ChaosService/Get HTTP/1.1\r\nhost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\0\0\0\x04\0\0\0\0\0',
  ];
  for (let i = chance.int(8); i >= 0; i--) {
    socket.write(chance.pick(pieces), 'latin1');
    if (chance.chance(0.3)) await pause(chance.int(20));
  }
  await pause(chance.int(50));
  if (chance.chance(0.3)) socket.end();
  await pause(chance.int(20));
  socket.destroy();
}

const CALL = encodeFields([
  ':method',
  'POST',
  ':scheme',
  'http',
  ':path',
  '/chaos.v1.ChaosService/Chat',
  ':authority',
  'a',
  'content-type',
  'application/grpc',
  'te',
  'trailers',
]);

/** Starts HTTP/2 calls without a deadline and closes its side, resets them, or goes in the middle of a frame. */
async function beRudeInHttp2(port: number, chance: Chance): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.resume();
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), encodeFrame(FrameKind.settings, 0, 0)]));
  for (let i = 0, last = chance.int(5); i <= last; i++) {
    const id = 1 + i * 2;
    const frames = [encodeFrame(FrameKind.headers, FrameKind.endHeaders, id, CALL)];
    if (chance.chance(0.3)) frames.push(encodeFrame(FrameKind.data, 0, id, Buffer.of(0, 0, 0, 0, 9, 1, 2)));
    if (chance.chance(0.3)) frames.push(encodeFrame(FrameKind.reset, 0, id, Buffer.of(0, 0, 0, 8)));
    const bytes = Buffer.concat(frames);
    socket.write(chance.chance(0.1) ? bytes.subarray(0, chance.int(bytes.length)) : bytes);
  }
  await pause(chance.int(50));
  if (chance.chance(0.5)) socket.end();
  else socket.destroy();
  // A socket that has only closed its side stays until the other closes it.
}

/** A caller that leaves without a word. */
export function runRude(port: number, chance: Chance): Promise<void> {
  return chance.chance(0.5) ? beRudeInHttp1(port, chance) : beRudeInHttp2(port, chance);
}
