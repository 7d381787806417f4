import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { eventually } from './rig/eventually.ts';
import { startTestGateway } from './rig/gateway.ts';
import { askRaw } from './rig/raw-call.ts';

/** A backend that notes the bytes of each request and answers them as they came. */
async function startMirror() {
  const seen: { readonly type: string | undefined; readonly body: Buffer }[] = [];
  const server = createServer();
  server.on('stream', (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const body = Buffer.concat(chunks);
      seen.push({ type: headers['content-type'], body });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+json' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(body);
    });
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => void sessions.add(session));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const SERVICE = 'claims.v1.JsonService';

it.each([
  ['as nobody writes it', ' {\t"a" : 1.0e0, "a":[ ],"__proto__":{} }\n'],
  ['that is none', 'not JSON, \u0000 and not ours to judge'],
  ['that is empty', ''],
])('brings JSON %s to an endpoint that claims it, and back, byte by byte', async (_name, text) => {
  await using mirror = await startMirror();
  const endpoint = { address: mirror.address, services: [SERVICE], codecs: ['json'] };
  await using gateway = await startTestGateway({ workers: 0, config: { discovery: { endpoints: [endpoint] } } });
  const ask = () =>
    askRaw(gateway.apiPort, {
      http: 1,
      path: `/${SERVICE}/Any`,
      headers: { 'content-type': 'application/json' },
      body: text,
    });
  await eventually(async () => expect((await ask()).status).toBe(200));
  const answer = await ask();
  expect(answer.body.toString()).toBe(text);
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(Buffer.byteLength(text), 1);
  expect(mirror.seen.at(-1)).toEqual({
    type: 'application/grpc+json',
    body: Buffer.concat([prefix, Buffer.from(text)]),
  });
});
