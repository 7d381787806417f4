import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Code, createVirtualClock, getField, systemClock, type Link } from '@bascule/core';
import { createHead, startCall, type RecordedCall } from '@bascule/testing';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHttp1Link, type Http1LinkOptions } from '../../src/http1/client/link.ts';

async function listening(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function open(port: number, options: Partial<Http1LinkOptions> = {}): Link {
  const link = createHttp1Link({ host: '127.0.0.1', port, clock: systemClock, ...options });
  onTestFinished(async () => {
    link.destroy();
    await link.close();
  });
  return link;
}

/** A backend of bytes: answers each connection's first whole head with `answer`, then closes where asked. */
async function rude(answer: string, thenEnd = true): Promise<number> {
  return listening(
    createServer((socket) => {
      let text = '';
      socket.on('data', (bytes) => {
        const before = text;
        text += bytes.toString('latin1');
        if (before.includes('\r\n\r\n') || !text.includes('\r\n\r\n')) return;
        socket.write(answer, 'latin1');
        if (thenEnd) socket.end();
      });
    }),
  );
}

async function ask(link: Link, body = 'ask', method = 'POST'): Promise<RecordedCall> {
  const call = startCall(link.service, createHead({ method }));
  if (body !== '') call.body.write(Buffer.from(body));
  call.body.end();
  await call.done;
  return call;
}

async function serving(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<number> {
  return listening(createHttpServer(handle));
}

describe('an answer over HTTP/1.1', () => {
  it.each([
    ['a cut body with a length', 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', Code.unavailable],
    ['a cut chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhalf', Code.unavailable],
    ['no last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', Code.unavailable],
    ['no length', 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole?', Code.internal],
    ['no length and another encoding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nwhole?', Code.internal],
    ['status 100 alone', 'HTTP/1.1 100 Continue\r\n\r\n', Code.unavailable],
    ['status 199 alone', 'HTTP/1.1 199 What\r\n\r\n', Code.unavailable],
    ['status 99', 'HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n', Code.internal],
    ['status 101', 'HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n', Code.internal],
    ['no status', 'HTTP/1.1 OK\r\n\r\n', Code.internal],
    ['garbage', '\0\x01\x02garbage\r\n\r\n', Code.internal],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', Code.internal],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', Code.internal],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      Code.internal,
    ],
    ['a broken chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab', Code.internal],
    ['too large a head', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, Code.resourceExhausted],
    [
      'too many fields',
      `HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(101)}Content-Length: 0\r\n\r\n`,
      Code.resourceExhausted,
    ],
    ['nothing', '', Code.unavailable],
  ])('is a failure with %s', async (_title, bytes, code) => {
    const call = await ask(open(await rude(bytes)));
    expect([call.error?.code, call.error?.processed, call.trailers]).toEqual([code, 'maybe', undefined]);
  });

  it('is a failure after too many non-final ones, and fine after a few', async () => {
    const early = 'HTTP/1.1 103 Early\r\n\r\n';
    const late = 'HTTP/1.1 204 None\r\n\r\n';
    const few = await ask(open(await rude(early.repeat(20) + late)));
    expect([few.heads[0]?.status, few.error]).toEqual([204, undefined]);
    const many = await ask(open(await rude(early.repeat(21), false)));
    expect(many.error?.code).toBe(Code.resourceExhausted);
  });

  it.each([800, 999, 404])('may have status %i', async (status) => {
    const call = await ask(open(await rude(`HTTP/1.1 ${status} X\r\nContent-Length: 2\r\n\r\nok`)));
    expect([call.heads[0]?.status, Buffer.from(call.bytes()).toString(), call.trailers]).toEqual([status, 'ok', []]);
  });

  it('brings fields in order, without those of the connection, and trailers', async () => {
    const answer =
      'HTTP/1.1 200 OK\r\nX-B: 1\r\nConnection: keep-alive, X-Hop\r\nx-hop: no\r\nKeep-Alive: timeout=5\r\n' +
      'x-a: 2\r\nX-B: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\nX-Other: \xe9\r\nX-T: 2\r\n\r\n';
    const call = await ask(open(await rude(answer, false)));
    expect(call.heads[0]?.fields).toEqual(['x-b', '1', 'x-a', '2', 'x-b', '3']);
    expect(call.trailers).toEqual(['x-t', '1', 'x-other', '\xe9', 'x-t', '2']);
  });

  it('has no body to HEAD, whatever its length says', async () => {
    const call = await ask(open(await rude('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n', false)), '', 'HEAD');
    expect([call.error, call.bytes().length, call.trailers]).toEqual([undefined, 0, []]);
  });

  it('ends without credit for bytes that do not come', async () => {
    const port = await serving((_request, response) => response.end(Buffer.alloc(65_535)));
    const call = startCall(open(port).service, createHead(), false);
    call.body.end();
    await call.done;
    expect([call.bytes().length, call.trailers]).toEqual([65_535, []]);
  });
});

describe('a request over HTTP/1.1', () => {
  it('leaves as it was given, without fields of the connection', async () => {
    const port = await serving((request, response) => {
      response.end(JSON.stringify([request.method, request.url, request.rawHeaders]));
    });
    const fields = ['x-a', '1', 'x-dup', '2', 'te', 'trailers', 'connection', 'x-a', 'upgrade', 'h2c', 'x-dup', '3'];
    const call = startCall(open(port).service, createHead({ path: '/a?b=%20', authority: '', fields }));
    call.body.end();
    await call.done;
    const [method, url, raw] = JSON.parse(Buffer.from(call.bytes()).toString()) as [string, string, string[]];
    expect([method, url]).toEqual(['POST', '/a?b=%20']);
    const own = ['x-a', '1', 'x-dup', '2', 'x-dup', '3'];
    const added = ['Connection', 'keep-alive', 'Transfer-Encoding', 'chunked'];
    expect(raw).toEqual(['host', `127.0.0.1:${port}`, ...own, ...added]);
  });

  it.each([
    ['a field name', { fields: ['x y', '1'] }],
    ['a line break in a value', { fields: ['x', '1\r\nhost: evil'] }],
    ['a wide character in a value', { fields: ['x', '€'] }],
    ['a space in the path', { path: '/a b' }],
    ['a line break in the path', { path: '/a\r\nx: y' }],
    ['a space in the authority', { authority: 'a b' }],
    ['a length that is none', { fields: ['content-length', '+1'] }],
    ['two lengths', { fields: ['content-length', '1', 'content-length', '2'] }],
    ['a body of a GET', { method: 'GET', fields: ['content-length', '2'] }],
  ])('is never sent with what HTTP/1.1 cannot say: %s', async (_title, overrides) => {
    const port = await serving(() => expect.unreachable());
    const call = startCall(open(port).service, createHead(overrides));
    call.body.end();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.internal, processed: 'never-sent' });
  });

  it.each([
    ['more', 'POST', '3', 'four'],
    ['less', 'POST', '5', 'four'],
    ['more than nothing', 'GET', undefined, 'four'],
  ])('is broken off when its body is %s than announced', async (_title, method, length, body) => {
    const port = await serving((request) => void request.on('error', () => undefined));
    const fields = length === undefined ? [] : ['content-length', length];
    const call = startCall(open(port).service, createHead({ method, fields }));
    call.body.write(Buffer.from(body));
    call.body.end();
    await call.done;
    expect(call.error).toMatchObject({ code: Code.internal, processed: 'maybe' });
  });

  it('opens before its first byte, so that the backend may speak first', async () => {
    const port = await serving((request, response) => {
      response.writeHead(200, { 'content-type': 'x' });
      response.write('first');
      request.pipe(response);
    });
    const call = startCall(open(port).service);
    await expect.poll(() => Buffer.from(call.bytes()).toString()).toBe('first');
    call.body.write(Buffer.from('second'));
    await expect.poll(() => Buffer.from(call.bytes()).toString()).toBe('firstsecond');
    call.body.end();
    await call.done;
    expect(call.trailers).toEqual([]);
  });
});

describe('connections over HTTP/1.1', () => {
  it('are kept and used again', async () => {
    const ports = new Set<number | undefined>();
    const port = await serving((request, response) => {
      ports.add(request.socket.remotePort);
      request.resume().on('end', () => response.end('ok'));
    });
    const link = open(port);
    for (let i = 0; i < 5; i++) expect((await ask(link)).error).toBeUndefined();
    expect(ports.size).toBe(1);
  });

  it('are at most as many as allowed; other calls wait, bounded, and in order', async () => {
    const waiting: ServerResponse[] = [];
    const port = await serving((_request, response) => void waiting.push(response));
    const link = open(port, { maxConnections: 2, limits: { maxQueuedCalls: 2 } });
    const calls = Array.from({ length: 5 }, (_, i) => {
      const call = startCall(link.service, createHead({ path: `/${i}` }));
      call.body.write(Buffer.from('body'));
      call.body.end();
      return call;
    });
    await calls[4]?.done;
    expect(calls[4]?.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(calls[4]?.error?.message).toContain('2 calls wait for the backend, which is the limit');
    await expect.poll(() => waiting.length).toBe(2);
    // One that has not begun is given up: its place goes to the next.
    calls[2]?.body.cancel('caller-gone');
    for (const response of waiting.splice(0)) response.end('ok');
    await expect.poll(() => waiting.length).toBe(1);
    expect(waiting[0]?.req.url).toBe('/3');
    waiting[0]?.end('ok');
    await calls[3]?.done;
    expect(calls.map(({ error, trailers }) => [error?.code, trailers?.length])).toEqual([
      [undefined, 0],
      [undefined, 0],
      [undefined, undefined],
      [undefined, 0],
      [Code.unavailable, undefined],
    ]);
  });

  it('are closed by a cancel, and the next call gets a new one', async () => {
    const closed = Promise.withResolvers<void>();
    let count = 0;
    const port = await serving((request, response) => {
      count += 1;
      if (count > 1) {
        response.end('ok');
        return;
      }
      response.on('close', () => closed.resolve());
      request.on('error', () => undefined);
      response.write('started');
    });
    const link = open(port, { maxConnections: 1 });
    const call = startCall(link.service);
    await expect.poll(() => call.chunks.length).toBe(1);
    call.body.cancel('caller-gone');
    await closed.promise;
    expect((await ask(link)).error).toBeUndefined();
    expect([call.error, call.trailers]).toEqual([undefined, undefined]);
  });

  it('are closed by an early answer, which arrives', async () => {
    const port = await serving((_request, response) => response.writeHead(413, { 'content-length': 2 }).end('no'));
    const call = startCall(open(port).service);
    call.body.write(Buffer.alloc(30_000));
    await call.done;
    expect([call.heads[0]?.status, Buffer.from(call.bytes()).toString()]).toEqual([413, 'no']);
  });

  it('that the backend closed before any answer leave open whether the call was processed', async () => {
    let served = 0;
    const port = await listening(
      createServer((socket) => {
        socket.on('data', () => {
          if (served++ === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
          else socket.destroy();
        });
      }),
    );
    const link = open(port);
    expect((await ask(link, '')).error).toBeUndefined();
    expect((await ask(link, '')).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    expect(link.isReady()).toBe(true);
  });

  it('that cannot be made fail calls unsent, and make the link unready until the backoff is over', async () => {
    const server = createServer();
    const port = await listening(server);
    server.close();
    await once(server, 'close');
    const clock = createVirtualClock();
    const link = open(port, { clock });
    const changes: boolean[] = [];
    link.onReadyChange((ready) => changes.push(ready));
    expect(link.isReady()).toBe(true);
    const calls = await Promise.all([ask(link), ask(link), ask(link)]);
    for (const { error } of calls) expect(error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(calls[0]?.error?.message).toBe('the backend cannot be reached (ECONNREFUSED)');
    expect((await ask(link)).error).toMatchObject({ processed: 'never-sent' });
    expect([link.isReady(), changes]).toEqual([false, [false]]);
    clock.advance(130);
    expect([link.isReady(), changes]).toEqual([true, [false, true]]);
    // The second failure waits longer.
    await ask(link);
    clock.advance(130);
    expect(link.isReady()).toBe(false);
    clock.advance(1_100);
    expect(link.isReady()).toBe(true);
    const again = createHttpServer((request, response) => void request.resume().on('end', () => response.end()));
    again.listen(port, '127.0.0.1');
    onTestFinished(() => void again.close());
    await once(again, 'listening');
    expect((await ask(link)).error).toBeUndefined();
  });

  it('that do not stand in time fail calls unsent', async () => {
    const accepted = Promise.withResolvers<void>();
    const port = await listening(createServer(() => accepted.resolve()));
    const clock = createVirtualClock();
    const link = open(port, { clock, tls: { rejectUnauthorized: false } });
    const call = ask(link);
    await accepted.promise;
    clock.advance(10_001);
    expect((await call).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  });

  it('given up while they were made say nothing against the backend', async () => {
    const link = open(await serving((_request, response) => response.end()));
    const call = startCall(link.service);
    call.body.cancel('caller-gone');
    expect((await ask(link)).error).toBeUndefined();
    expect(link.isReady()).toBe(true);
  });

  it('are gone when the link has closed, which lets open calls finish and takes no others', async () => {
    const waiting = Promise.withResolvers<ServerResponse>();
    const sockets = new Set<Socket>();
    const server = createHttpServer((_request, response) => waiting.resolve(response));
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    const link = open(await listening(server));
    const call = startCall(link.service);
    call.body.end();
    const response = await waiting.promise;
    const closed = link.close();
    expect(link.isReady()).toBe(false);
    expect((await ask(link)).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    response.end('late');
    await call.done;
    expect(call.error).toBeUndefined();
    await closed;
    await expect.poll(() => sockets.size).toBe(0);
  });

  it('end with the link when it is destroyed', async () => {
    const seen = Promise.withResolvers<void>();
    const link = open(await serving(() => seen.resolve()), { maxConnections: 1 });
    const call = startCall(link.service);
    const queued = startCall(link.service);
    await seen.promise;
    link.destroy();
    expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    expect(queued.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    await link.close();
  });

  it('over TLS know the backend by its name', async () => {
    const port = await serving((_request, response) => response.end());
    const call = await ask(open(port, { tls: {} }));
    expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(getField(call.trailers ?? [], 'x')).toBeUndefined();
    expect(call.error?.message).toMatch(/TLS: the backend does not speak TLS/);
  });
});
