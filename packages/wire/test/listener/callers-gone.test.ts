import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import type { Service } from '@bascule/core';
import { frame, uint32 } from '../http2/support.ts';
import { startListener } from './support.ts';

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const END_HEADERS = 4;
const CANCEL = 8;

/** A literal field without indexing, lengths below 127. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([
    Buffer.of(0, name.length),
    Buffer.from(name),
    Buffer.of(value.length),
    Buffer.from(value, 'latin1'),
  ]);
}

const HEAD = Buffer.concat([
  field(':method', 'POST'),
  field(':scheme', 'http'),
  field(':path', '/x'),
  field(':authority', 'a'),
]);

async function connectFrames(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'connect');
  socket.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0)]));
  return socket;
}

/** Notes what a call hears; `until` waits for a word. */
function createListening(): { service: Service; words: string[]; until: (word: string) => Promise<void> } {
  const words: string[] = [];
  const service: Service = () => ({
    write: (bytes) => void words.push(`write ${bytes.length}`),
    end: () => void words.push('end'),
    cancel: (reason) => void words.push(`cancel ${reason}`),
    grant() {},
  });
  return { service, words, until: (word) => expect.poll(() => words).toContain(word) };
}

it('cancels the calls of an HTTP/2 connection whose caller has only closed its side', async () => {
  const { service, words, until } = createListening();
  const listener = await startListener(service);
  const socket = await connectFrames(listener.port);
  socket.write(Buffer.concat([frame(HEADERS, END_HEADERS, 1, HEAD), frame(DATA, 0, 1, Buffer.from('hello'))]));
  await until('write 5');
  socket.end();
  await until('cancel caller-gone');
  expect(words).toEqual(['write 5', 'cancel caller-gone']);
  await expect.poll(() => listener.openCalls()).toBe(0);
});

it.each([
  ['later', false],
  ['in the same packet', true],
])('does not end a request whose stream was reset %s', async (_when, together) => {
  const { service, words, until } = createListening();
  const { port } = await startListener(service);
  const socket = await connectFrames(port);
  const request = [frame(HEADERS, END_HEADERS, 1, HEAD), frame(DATA, 0, 1, Buffer.from('hello'))];
  const reset = frame(RST_STREAM, 0, 1, uint32(CANCEL));
  socket.write(Buffer.concat(together ? [...request, reset] : request));
  await until('write 5');
  if (!together) socket.write(reset);
  await until('cancel caller-gone');
  expect(words).toEqual(['write 5', 'cancel caller-gone']);
});
