import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Link } from '@bascule/core';
import { afterEach, expect, test } from 'vitest';
import { ByteBuffer } from '../../src/http2/byte-buffer.ts';
import { splitHeaders } from '../../src/http2/split-headers.ts';
import {
  frame,
  openLink,
  startCall,
  startNodeServer,
  startRawPeer,
  uint32,
  unary,
  upload,
  type RawPeer,
} from './support.ts';

const OK = Buffer.from([0x88]);
const WIDE_WINDOWS = frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff]));
let peer: RawPeer | undefined;
let link: Link | undefined;

afterEach(async () => {
  link?.destroy();
  await peer?.close();
  link = undefined;
  peer = undefined;
});

function dataOf(from: RawPeer, streamId: number): Buffer {
  return Buffer.concat(
    from.frames.filter((seen) => seen.type === 0 && seen.streamId === streamId).map((seen) => seen.payload),
  );
}

test('the connection window holds over all streams', async () => {
  const server = (peer = await startRawPeer(WIDE_WINDOWS));
  link = openLink(server.port);
  for (const call of [startCall(link), startCall(link)]) upload(call, Buffer.alloc(60_000));
  const sent = () => dataOf(server, 1).length + dataOf(server, 3).length;
  await server.seen(() => sent() >= 65_535);
  // A PING goes there and back after whatever else was on its way.
  server.send(frame(6, 0, 0, Buffer.alloc(8)));
  await server.seen((seen) => seen.type === 6);
  expect(sent()).toBe(65_535);
  server.send(frame(8, 0, 0, uint32(1000)));
  server.send(frame(6, 0, 0, Buffer.alloc(8, 1)));
  await server.seen((seen) => seen.type === 6 && seen.payload[0] === 1);
  await server.seen((seen) => seen.type === 0 && sent() >= 66_535);
  expect(sent()).toBe(66_535);
});

test('padding is given back by the client itself', async () => {
  const server = (peer = await startRawPeer());
  link = openLink(server.port);
  const call = startCall(link, undefined, { grant: false });
  await server.seen((seen) => seen.type === 1);
  const padded = frame(0, 8, 1, Buffer.concat([Buffer.from([255, 0x78]), Buffer.alloc(255)]));
  server.send(Buffer.concat([frame(1, 4, 1, OK), ...Array.from({ length: 200 }, () => padded)]));
  const update = await server.seen((seen) => seen.type === 8 && seen.streamId === 1);
  expect(update?.payload.readUInt32BE(0)).toBeGreaterThan(32_000);
  expect((await call.received(200)).bytes).toBe(200);
});

test('an early answer is followed by RST_STREAM(NO_ERROR) when the upload has not ended', async () => {
  const server = (peer = await startRawPeer());
  link = openLink(server.port);
  const call = startCall(link);
  call.body.write(Buffer.from('x'));
  await server.seen((seen) => seen.type === 1);
  server.send(frame(1, 5, 1, OK));
  await call.done;
  expect((await server.seen((seen) => seen.type === 3))?.payload).toEqual(uint32(0));
});

test('bytes arrive as they were written, also when the socket holds them back', async () => {
  const server = (peer = await startRawPeer(WIDE_WINDOWS));
  link = openLink(server.port);
  const message = Buffer.alloc(8_000_000);
  for (let i = 0; i < message.length; i += 4) message.writeUInt32BE(i, i);
  const call = startCall(link);
  const socket = await server.socket();
  await server.seen((seen) => seen.type === 1);
  server.send(frame(8, 0, 0, uint32(0x7fff_ffff - 65_535)));
  socket.pause();
  upload(call, message);
  for (let last = -1; last !== call.record.granted;) {
    last = call.record.granted;
    for (let i = 0; i < 300; i++) await nextTurn();
  }
  expect(call.record.granted).toBeLessThan(message.length);
  socket.resume();
  await server.seen((seen) => seen.type === 0 && (seen.flags & 1) === 1);
  expect(dataOf(server, 1).equals(message)).toBe(true);
});

test('a peer that refuses a second connection is not asked again for every call', async () => {
  const server = await startNodeServer(
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true }),
    { maxConcurrentStreams: 1 },
  );
  let accepted = 0;
  server.server.on('connection', (socket) => {
    accepted += 1;
    if (accepted > 1) socket.destroy();
  });
  const ours = (link = openLink(server.port));
  for (let i = 0; i < 10; i++) {
    const records = await Promise.all(Array.from({ length: 10 }, () => unary(ours)));
    for (const record of records) expect(record.error).toBeUndefined();
  }
  expect(accepted).toBeLessThan(5);
  ours.destroy();
  await server.close();
});

test('a block as long as two frames becomes two frames', () => {
  const out = new ByteBuffer(64);
  out.append(Buffer.alloc(9));
  out.append(Buffer.alloc(20, 7));
  splitHeaders(out, 0, 5, 10);
  const expected = Buffer.concat([frame(1, 0, 5, Buffer.alloc(10, 7)), frame(9, 4, 5, Buffer.alloc(10, 7))]);
  expect(out.bytes.subarray(0, out.length)).toEqual(expected);
});
