import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { expect, it, onTestFinished } from 'vitest';
import { callError, Code, systemClock, type Cancel, type Reply, type RequestHead, type Service } from '@bascule/core';
import { listen, ListenError } from '../../src/listener.ts';
import { answering, connectRaw, naming, startListener } from './support.ts';
import { TEST_TLS } from '@bascule/testing/tls';

const GET = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';

function connectSession(port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  return session;
}

/** Reads a whole HTTP/2 answer. */
async function readAnswer(stream: ClientHttp2Stream): Promise<{ status: number; text: string }> {
  let text = '';
  let status = 0;
  stream.setEncoding('latin1');
  stream.on('response', (fields) => void (status = fields[':status'] ?? 0));
  stream.on('data', (chunk: string) => void (text += chunk));
  await once(stream, 'close');
  return { status, text };
}

/** Answers a call when the test says so. */
function createGate(): { service: Service; open: Promise<Reply>; finish(): void } {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  let reply: Reply | undefined;
  const service = answering((_head, itsReply) => {
    reply = itsReply;
    resolve(itsReply);
  });
  const finish = (): void => {
    reply?.head({ status: 200, fields: [] });
    reply?.write(Buffer.from('finished'));
    reply?.end([]);
  };
  return { service, open: promise, finish };
}

it('takes both protocols on one port and tells the service the same of both', async () => {
  const heads: RequestHead[] = [];
  const { port } = await startListener((head, reply) => {
    heads.push(head);
    return naming(head, reply);
  });
  await (await fetch(`http://127.0.0.1:${port}/a?b`, { headers: { 'X-One': '1' } })).text();
  const answer = await readAnswer(connectSession(port).request({ ':path': '/a?b', 'X-One': '1' }));
  expect(answer).toEqual({ status: 200, text: 'GET /a?b ' });
  for (const head of heads) {
    expect(head).toMatchObject({ method: 'GET', path: '/a?b', authority: `127.0.0.1:${port}`, scheme: 'http' });
    expect(head.call).toMatchObject({ peer: '127.0.0.1', dialect: 'http', attempts: 0 });
    expect(head.fields[head.fields.indexOf('x-one') + 1]).toBe('1');
  }
  expect(new Set(heads.map((head) => head.call.id)).size).toBe(2);
});

it('knows the protocol when the first bytes come one by one', async () => {
  const { port } = await startListener(naming);
  const http1 = await connectRaw(port);
  for (const byte of 'PRINT /x HTTP/1.1\r\nHost: a\r\n\r\n'.replace('PRINT', 'PROPFIND')) await writeByte(http1, byte);
  await http1.until(/PROPFIND \/x/);
  const http2 = await connectRaw(port);
  for (const byte of 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') await writeByte(http2, byte);
  http2.write('\0\0\0\x04\0\0\0\0\0');
  // Our SETTINGS are acknowledged, so every byte of the preface arrived.
  await http2.until((text) => text.includes('\0\0\0\x04\x01\0\0\0\0'));
});

async function writeByte(client: Awaited<ReturnType<typeof connectRaw>>, byte: string): Promise<void> {
  client.socket.setNoDelay(true);
  await new Promise((resolve) => void client.socket.write(byte, 'latin1', resolve));
  await new Promise((resolve) => void setImmediate(resolve));
}

it.each([
  ['nothing', '', { prefaceTimeoutMs: 100 }],
  ['half a preface', 'PRI * HTT', { prefaceTimeoutMs: 100 }],
  ['a preface without SETTINGS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', { prefaceTimeoutMs: 100 }],
  ['half a head', 'GET / HTTP/1.1\r\nHo', { headersTimeoutMs: 100 }],
])('closes a connection that sent %s', async (_title, bytes, limits) => {
  const { port } = await startListener(naming, { limits });
  const client = await connectRaw(port);
  client.write(bytes);
  await client.closed();
});

it('closes a connection that ends before it has begun', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.socket.end();
  expect(await client.closed()).toBe('');
});

it('refuses HTTP/2 requests that name two hosts, no path or a tunnel', async () => {
  const { port } = await startListener(naming);
  const session = connectSession(port);
  const refused: [Record<string, string>, number][] = [
    [{ ':path': '/', ':authority': 'a', host: 'b' }, 400],
    [{ ':method': 'OPTIONS', ':path': '*' }, 400],
    [{ ':method': 'CONNECT', ':authority': 'a:1' }, 405],
    [{ ':path': '/', ':authority': 'u@a' }, 400],
  ];
  for (const [head, status] of refused) expect((await readAnswer(session.request(head))).status).toBe(status);
  expect((await readAnswer(session.request({ ':path': '/ok' }))).status).toBe(200);
});

it.each([100, 199, 1000, 200.5])('answers 502 over HTTP/2 for the status %s', async (status) => {
  const { port } = await startListener(answering((_head, reply) => reply.head({ status, fields: [] })));
  expect(await readAnswer(connectSession(port).request())).toMatchObject({ status: 502 });
});

it('leaves out what HTTP/2 cannot carry', async () => {
  const fields = ['x-bad', 'a\nb', 'Connection', 'x', 'connection', 'close', 'x-good', 'c', 'x-\u{1F600}', 'd'];
  const { port } = await startListener(
    answering((_head, reply) => {
      reply.head({ status: 200, fields });
      reply.write(Buffer.from('hello'));
      reply.end(['x-bad', 'a\nb', 'x-sum', '1']);
    }),
  );
  const stream = connectSession(port).request();
  stream.resume();
  const [[head], [trailers]] = await Promise.all([once(stream, 'response'), once(stream, 'trailers')]);
  expect(head).toMatchObject({ ':status': 200, 'x-good': 'c' });
  expect(head).not.toHaveProperty('x-bad');
  expect(trailers).toMatchObject({ 'x-sum': '1' });
});

it('answers 502 over HTTP/2 when a field that has one value comes with two', async () => {
  const fields = ['content-type', 'text/plain', 'content-type', 'text/html'];
  const { port } = await startListener(
    answering((_head, reply) => {
      reply.head({ status: 200, fields });
      reply.write(Buffer.from('hello'));
      reply.end(['x-sum', '1']);
    }),
  );
  expect(await readAnswer(connectSession(port).request())).toMatchObject({ status: 502 });
});

it('answers a failure over HTTP/2 by status, and resets a stream whose head has left', async () => {
  const { port } = await startListener(
    answering((head, reply) => {
      const fail = (): void => reply.fail(callError(Code.notFound, 'no such thing'));
      if (head.path === '/early') return fail();
      reply.head({ status: 200, fields: [] });
      setImmediate(() => setImmediate(fail));
    }),
  );
  const session = connectSession(port);
  expect(await readAnswer(session.request({ ':path': '/early' }))).toEqual({ status: 404, text: 'no such thing\n' });
  const stream = session.request({ ':path': '/late' });
  const [error] = await once(stream, 'error');
  expect(String(error)).toMatch(/INTERNAL_ERROR/);
});

it('gives an early answer whole over HTTP/2, then stops the upload', async () => {
  const { port } = await startListener((_head, reply) => ({
    write() {
      reply.head({ status: 200, fields: [] });
      reply.write(Buffer.from('enough'));
      reply.end(['x-sum', '1']);
    },
    end() {},
    cancel: () => expect.unreachable(),
    grant() {},
  }));
  const stream = connectSession(port).request({ ':method': 'POST' });
  const trailers = once(stream, 'trailers');
  stream.write('first');
  expect(await readAnswer(stream)).toEqual({ status: 200, text: 'enough' });
  expect((await trailers)[0]).toMatchObject({ 'x-sum': '1' });
  expect(stream.rstCode).toBe(0);
});

it.each([1, 2])('cuts an HTTP/%i caller that takes nothing of its answer', async (version) => {
  const cancelled = Promise.withResolvers<Cancel>();
  const { port } = await startListener(
    (_head, reply) => ({
      write() {},
      end() {
        reply.head({ status: 200, fields: [] });
        reply.write(new Uint8Array(60_000));
      },
      cancel: cancelled.resolve,
      // As much as is allowed, for ever.
      grant: (bytes) => reply.write(new Uint8Array(bytes)),
    }),
    { limits: { writeStallMs: 100 } },
  );
  if (version === 1) {
    const client = await connectRaw(port);
    client.socket.pause();
    client.write(GET);
  } else {
    const stream = connectSession(port).request();
    stream.on('error', () => {});
    stream.pause();
  }
  expect(await cancelled.promise).toBe('caller-gone');
});

it('speaks both protocols over TLS, by ALPN', async () => {
  const { port } = await startListener(naming, { tls: TEST_TLS });
  const session = connectHttp2(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
  onTestFinished(() => session.destroy());
  expect(await readAnswer(session.request({ ':path': '/two' }))).toEqual({ status: 200, text: 'GET /two ' });
  const http1 = request({ port, host: '127.0.0.1', path: '/one', rejectUnauthorized: false, agent: false });
  http1.end();
  const [response] = (await once(http1, 'response')) as [IncomingMessage];
  expect(Buffer.concat(await response.toArray()).toString()).toBe('GET /one ');
});

it('finishes open calls of both protocols before it is closed', async () => {
  const gates = { 1: createGate(), 2: createGate() };
  const listener = await startListener((head, reply) => gates[head.path === '/1' ? 1 : 2].service(head, reply));
  const idle = await connectRaw(listener.port);
  idle.write('');
  const http1 = fetch(`http://127.0.0.1:${listener.port}/1`);
  const http2 = readAnswer(connectSession(listener.port).request({ ':path': '/2' }));
  await Promise.all([gates[1].open, gates[2].open]);
  const closing = listener.close(10_000);
  expect(listener.close(10_000)).toBeInstanceOf(Promise);
  await idle.closed();
  expect(listener.openCalls()).toBe(2);
  gates[1].finish();
  gates[2].finish();
  const response = await http1;
  expect(response.headers.get('connection')).toBe('close');
  expect(await response.text()).toBe('finished');
  expect(await http2).toEqual({ status: 200, text: 'finished' });
  await closing;
  expect(listener.openCalls()).toBe(0);
  await expect(fetch(`http://127.0.0.1:${listener.port}/1`)).rejects.toThrow('fetch failed');
});

it('closes a kept connection whose answer had begun before the close', async () => {
  const open = Promise.withResolvers<Reply>();
  const listener = await startListener(
    answering((_head, reply) => {
      reply.head({ status: 200, fields: [] });
      reply.write(Buffer.from('begun'));
      open.resolve(reply);
    }),
  );
  const client = await connectRaw(listener.port);
  client.write(GET);
  await client.until(/begun/);
  const closing = listener.close(60_000);
  (await open.promise).end([]);
  expect(await client.closed()).toMatch(/\r\n0\r\n\r\n$/);
  await closing;
});

it('cuts what is still open when the grace is over', async () => {
  const gates = [createGate(), createGate()] as const;
  const listener = await startListener((head, reply) => gates[head.path === '/1' ? 0 : 1].service(head, reply));
  const http1 = await connectRaw(listener.port);
  http1.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
  const http2 = connectSession(listener.port).request({ ':path': '/2' });
  http2.on('error', () => {});
  await Promise.all(gates.map((gate) => gate.open));
  await listener.close(20);
  expect(await http1.closed()).toBe('');
  expect(listener.openCalls()).toBe(0);
});

it('says that a port is in use, and which', async () => {
  const { port } = await startListener(naming);
  const second = listen({ host: '127.0.0.1', port, service: naming, clock: systemClock });
  await expect(second).rejects.toBeInstanceOf(ListenError);
  await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE', host: '127.0.0.1', port });
  await expect(second).rejects.toThrow(`Port ${port} on 127.0.0.1 is in use`);
});

it('shares a port when asked to', async () => {
  const { port } = await startListener(naming, { reusePort: true });
  await startListener(naming, { reusePort: true, port });
  expect((await fetch(`http://127.0.0.1:${port}/x`)).status).toBe(200);
});

it('takes no more connections than allowed', async () => {
  const { port } = await startListener(naming, { limits: { maxConnections: 2 } });
  const [first, second] = [await connectRaw(port), await connectRaw(port)];
  first.write(GET);
  await first.until(/GET/);
  const third = await connectRaw(port);
  expect(await third.closed()).toBe('');
  second.write(GET);
  await second.until(/GET/);
});
