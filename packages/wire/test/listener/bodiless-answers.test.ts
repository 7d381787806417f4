import { connect as connectHttp2, type ClientHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import type { Fields, Service } from '@bascule/core';
import { startListener } from './support.ts';

/** Answers at the first byte or at the end, as a service does that has no use for the request. */
function answeringEarly(status: number, fields: Fields, bytes: Uint8Array, trailers: Fields): Service {
  return (_head, reply) => {
    let isAnswered = false;
    const answer = (): void => {
      if (isAnswered) return;
      isAnswered = true;
      reply.head({ status, fields });
      reply.write(bytes);
      reply.end(trailers);
    };
    return { write: answer, end: answer, cancel() {}, grant() {} };
  };
}

const NOTHING = new Uint8Array();
const TEN = new Uint8Array(10);
const ANSWERS: readonly [string, string, Service][] = [
  ['HEAD', 'its fields alone', answeringEarly(200, ['content-length', '10'], NOTHING, [])],
  ['HEAD', 'bytes and trailers', answeringEarly(200, ['content-length', '10'], TEN, ['x-sum', '1'])],
  ['POST', '204', answeringEarly(204, ['x-a', '1'], NOTHING, [])],
];

it.each(ANSWERS.flatMap(([...answer]) => [true, false].map((uploads) => [...answer, uploads] as const)))(
  'answers a %s over HTTP/2 with %s and ends its stream',
  async (method, _what, service, uploads) => {
    const listener = await startListener(service);
    const session = connectHttp2(`http://127.0.0.1:${listener.port}`);
    onTestFinished(() => session.destroy());
    const stream: ClientHttp2Stream = session.request({ ':method': method }, { endStream: !uploads });
    stream.on('error', () => {});
    if (uploads) stream.write('x');
    const [fields] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(fields[':status']).toBe(method === 'HEAD' ? 200 : 204);
    if (method === 'HEAD') expect(fields['content-length']).toBe('10');
    let received = 0;
    stream.on('data', (chunk: Buffer) => void (received += chunk.length));
    await once(stream, 'close');
    expect(received).toBe(0);
    await expect.poll(() => listener.openCalls()).toBe(0);
  },
);
