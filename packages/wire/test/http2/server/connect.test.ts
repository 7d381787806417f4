import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '@bascule/core';
import { createHttp2Edge } from '../../../src/http2/server/edge.ts';
import { createEdge, type ExtendedConnect } from '../../../src/listener/edge.ts';
import { DEFAULT_LISTEN_LIMITS } from '../../../src/listener/limits.ts';
import { frame } from '../frame.ts';
import { answering, block, connectFrames, decodeBlock, END_HEADERS, END_STREAM, Kind } from './rig.ts';

const TUNNEL = [':method', 'CONNECT', ':scheme', 'http', ':path', '/chat', ':authority', 'a', ':protocol'];

/** Sends everything back, until it is told the end. */
const echoing: ExtendedConnect = (protocol, head, reply) => {
  if (protocol !== 'websocket') return undefined;
  let isOpen = false;
  return {
    write(bytes) {
      if (!isOpen) reply.head({ status: 200, fields: ['x-path', `${head.method} ${head.path}`] });
      isOpen = true;
      reply.write(bytes);
      reply.grant(bytes.length);
    },
    end: () => reply.end([]),
    cancel() {},
    grant() {},
  };
};

async function startEdge(connect: ExtendedConnect | undefined): Promise<number> {
  const edge = createEdge({
    service: answering,
    connect,
    clock: systemClock,
    limits: DEFAULT_LISTEN_LIMITS,
    scheme: 'http',
    onAbuse() {},
  });
  const http2 = createHttp2Edge(edge);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    http2.accept(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
    await expect.poll(() => edge.openCalls).toBe(0);
  });
  return (server.address() as AddressInfo).port;
}

/** Whether SETTINGS_ENABLE_CONNECT_PROTOCOL is 1. */
function announces(settings: Buffer | undefined): boolean {
  return settings?.toString('hex').match(/.{12}/g)?.includes('000800000001') === true;
}

test('a tunnel carries bytes both ways and ends with both ends', async () => {
  const client = await connectFrames(await startEdge(echoing));
  client.send(
    frame(Kind.headers, END_HEADERS, 1, block(...TUNNEL, 'websocket')),
    frame(Kind.data, 0, 1, Buffer.from('to')),
  );
  const echoed = await client.seen((seen) => seen.type === Kind.data);
  expect(String(echoed?.payload)).toBe('to');
  const head = decodeBlock(client.frames.find((seen) => seen.type === Kind.headers));
  expect(head).toEqual([':status', '200', 'x-path', 'CONNECT /chat']);
  expect(announces(client.frames[0]?.payload)).toBe(true);
  client.send(frame(Kind.data, 0, 1, Buffer.from(' and fro')), frame(Kind.data, END_STREAM, 1));
  await client.seen((seen) => seen.type === Kind.data && (seen.flags & END_STREAM) !== 0);
  expect(client.frames.some((seen) => seen.type === Kind.reset)).toBe(false);
});

test('a protocol that nobody speaks gets 501', async () => {
  const client = await connectFrames(await startEdge(echoing));
  client.send(frame(Kind.headers, END_HEADERS | END_STREAM, 1, block(...TUNNEL, 'gopher')));
  const answer = await client.seen((seen) => seen.type === Kind.headers);
  expect(decodeBlock(answer)).toEqual([':status', '501']);
  expect(answer?.flags).toBe(END_HEADERS | END_STREAM);
});

test('without anybody who takes it, it is neither announced nor lawful', async () => {
  const client = await connectFrames(await startEdge(undefined));
  client.send(frame(Kind.headers, END_HEADERS, 1, block(...TUNNEL, 'websocket')));
  const reset = await client.seen((seen) => seen.type === Kind.reset);
  expect(reset?.payload.readUInt32BE(0)).toBe(1);
  expect(announces(client.frames[0]?.payload)).toBe(false);
});
