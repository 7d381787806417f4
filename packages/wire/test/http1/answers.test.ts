import { request } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import {
  callError,
  Code,
  INITIAL_CREDIT_BYTES,
  type Cancel,
  type Fields,
  type Reply,
  type Service,
} from '@bascule/core';
import { answering, connectRaw, naming, startListener } from '../listener/support.ts';

const GET = 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n';

/** Answers with what the test says. */
function fixed(status: number, fields: Fields, text: string, trailers: Fields = []): Service {
  return answering((_head, reply) => {
    reply.head({ status, fields });
    if (text !== '') reply.write(Buffer.from(text));
    reply.end(trailers);
  });
}

async function rawAnswer(service: Service, head = GET): Promise<string> {
  const { port } = await startListener(service);
  const client = await connectRaw(port);
  client.write(head.replace('\r\n', '\r\nConnection: close\r\n'));
  return client.closed();
}

it('gives an answer made in one turn its length', async () => {
  const text = await rawAnswer(fixed(200, ['x-a', '1', 'x-a', '2'], 'hello'));
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n(?:[^\r]+\r\n)*\r\nhello$/);
});

it('answers many requests on one connection, in order', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.write(Array.from({ length: 50 }, (_, i) => `GET /n${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  const text = await client.until(/GET \/n49 /);
  expect([...text.matchAll(/GET \/n(\d+) /g)].map((match) => Number(match[1]))).toEqual(
    Array.from({ length: 50 }, (_, i) => i),
  );
});

it('sends trailers only where the head announced them', async () => {
  const announced = fixed(200, ['trailer', 'x-sum'], 'hello', ['x-sum', '7', 'x-bad', 'a\nb']);
  expect(await rawAnswer(announced)).toMatch(/\r\n5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n$/);
  expect(await rawAnswer(fixed(200, [], 'hello', ['x-sum', '7']))).not.toMatch(/x-sum/);
});

it('answers HTTP/1.0 without chunks, even where trailers were announced', async () => {
  const text = await rawAnswer(fixed(200, ['trailer', 'x-sum'], 'hello', ['x-sum', '7']), 'GET /x HTTP/1.0\r\n\r\n');
  expect(text).toMatch(/\r\n\r\nhello$/);
  expect(text).not.toMatch(/chunked|x-sum: 7/);
});

it('leaves out a field that no head can carry, and fields of the connection', async () => {
  const fields = [
    'x-bad',
    'a\r\nx-evil: 1',
    'x-\u{1F600}',
    'b',
    'transfer-encoding',
    'gzip',
    'connection',
    'x',
    'x-good',
    'c',
  ];
  const text = await rawAnswer(fixed(200, fields, 'hello'));
  expect(text).toMatch(/x-good: c/);
  expect(text).not.toMatch(/evil|x-bad|gzip|connection: x/i);
  expect(text).toMatch(/hello$/);
});

it.each([100, 199, 600, 800, Number.NaN])('answers 502 for the status %s', async (status) => {
  expect(await rawAnswer(fixed(status, [], 'hello'))).toMatch(/^HTTP\/1\.1 502 [^]*not HTTP\.\n$/);
});

function fault(): never {
  throw new Error('broken');
}

it('answers 500 when the service throws, and goes on', async () => {
  const { port } = await startListener((head, reply) => {
    if (head.path === '/throw') fault();
    if (head.path === '/throw-later') return { write() {}, end: fault, cancel() {}, grant() {} };
    return naming(head, reply);
  });
  const client = await connectRaw(port);
  for (const path of ['/throw', '/throw-later']) client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  client.write(GET);
  const text = await client.until(/GET \/x/);
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 500', 'HTTP/1.1 500', 'HTTP/1.1 200']);
});

it('answers a failure by the status of its code', async () => {
  const failing = answering((_head, reply) => reply.fail(callError(Code.unavailable, 'no backend')));
  expect(await rawAnswer(failing)).toMatch(/^HTTP\/1\.1 503 [^]*\r\n\r\nno backend\n$/);
});

it('breaks off an answer that fails or ends short of its length', async () => {
  const short = fixed(200, ['content-length', '10'], '');
  expect(await rawAnswer(short)).toBe('');
  const late: Service = answering((_head, reply) => {
    reply.head({ status: 200, fields: [] });
    reply.write(Buffer.from('part'));
    setImmediate(() => setImmediate(() => reply.fail(callError(Code.unavailable, 'gone'))));
  });
  const text = await rawAnswer(late);
  expect(text).toMatch(/part/);
  expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
});

it('answers HEAD with the fields of its answer alone', async () => {
  const text = await rawAnswer(fixed(200, ['content-length', '5'], ''), 'HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n');
  expect(text).toMatch(/content-length: 5/);
  expect(text).toMatch(/\r\n\r\n$/);
});

it('says 100 Continue to who asks for it', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.write('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n');
  await client.until(/100 Continue/);
  client.write('hi');
  await client.until(/POST \/x hi/);
});

it('cancels the call when the caller goes away', async () => {
  const { promise, resolve } = Promise.withResolvers<Cancel>();
  const started = Promise.withResolvers<void>();
  const listener = await startListener(() => {
    started.resolve();
    return { write() {}, end() {}, cancel: resolve, grant() {} };
  });
  const client = await connectRaw(listener.port);
  client.write(GET);
  await started.promise;
  expect(listener.openCalls()).toBe(1);
  client.socket.destroy();
  expect(await promise).toBe('caller-gone');
  expect(listener.openCalls()).toBe(0);
});

it('gives a reader that is behind no credit, and the rest once it reads', async () => {
  const total = 24 * 1024 * 1024;
  let written = 0;
  let push: (credit: number) => void = () => {};
  const { port } = await startListener((_head, reply) => {
    push = (credit) => {
      const length = Math.min(credit, total - written);
      if (written === total) return;
      written += length;
      reply.write(Buffer.alloc(length, 1));
      if (written === total) reply.end([]);
    };
    return {
      write() {},
      end() {
        reply.head({ status: 200, fields: [] });
        push(INITIAL_CREDIT_BYTES);
      },
      cancel() {},
      grant: (bytes) => push(bytes),
    };
  });
  const client = await connectRaw(port);
  client.socket.pause();
  client.write(GET.replace('\r\n', '\r\nConnection: close\r\n'));
  // The kernel's buffers take some megabytes; when nothing moves any more, our side holds one credit at most.
  let before = -1;
  while (before !== written) {
    before = written;
    for (let i = 0; i < 50; i++) await new Promise((resolve) => void setImmediate(resolve));
  }
  expect(written).toBeLessThan(total);
  client.socket.resume();
  const text = await client.closed();
  expect(text.length).toBeGreaterThan(total);
});

it('reads an upload only as far as credit goes', async () => {
  const total = 8 * 1024 * 1024;
  let received = 0;
  let open: Reply | undefined;
  const { port } = await startListener((_head, reply) => {
    open = reply;
    return {
      write: (bytes) => void (received += bytes.length),
      end() {
        reply.head({ status: 200, fields: [] });
        reply.end([]);
      },
      cancel() {},
      grant() {},
    };
  });
  const upload = request({ port, host: '127.0.0.1', method: 'POST', agent: false });
  upload.end(Buffer.alloc(total, 1));
  await expect.poll(() => received).toBe(INITIAL_CREDIT_BYTES);
  open?.grant(10);
  expect(received).toBe(INITIAL_CREDIT_BYTES + 10);
  open?.grant(total);
  const [response] = await once(upload, 'response');
  expect(response.statusCode).toBe(200);
  response.resume();
  expect(received).toBe(total);
});

it('lets an early answer arrive while the upload still comes', async () => {
  const early: Service = (_head, reply) => ({
    write() {
      reply.head({ status: 401, fields: [] });
      reply.write(Buffer.from('no'));
      reply.end([]);
    },
    end() {},
    cancel() {},
    grant() {},
  });
  const { port } = await startListener(early);
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: Buffer.alloc(4 * 1024 * 1024) });
  expect(response.status).toBe(401);
  expect(await response.text()).toBe('no');
});

it('closes the connection when the rest of an answered upload does not come', async () => {
  const early: Service = (_head, reply) => ({
    write: () => reply.end([]),
    end() {},
    cancel() {},
    grant() {},
  });
  const { port } = await startListener(early, { limits: { lingerMs: 50 } });
  const client = await connectRaw(port);
  client.write('POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\npart');
  expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 OK/);
});

it('reads on after an early last answer, so that no reset overtakes it, and then closes', async () => {
  const early: Service = (_head, reply) => ({
    write: () => reply.end([]),
    end() {},
    cancel() {},
    grant() {},
  });
  const { port } = await startListener(early);
  const client = await connectRaw(port);
  const errors: Error[] = [];
  client.socket.on('error', (error) => errors.push(error));
  const rest = 8 * 1024 * 1024;
  client.write(`POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${rest + 4}\r\n\r\npart`);
  await client.until(/^HTTP\/1\.1 200 OK/);
  client.write('x'.repeat(rest));
  await client.closed();
  expect(errors).toEqual([]);
});

it('frames what comes in several turns as chunks, with trailers, and keeps answers in order', async () => {
  const { port } = await startListener(
    answering((head, reply) => {
      reply.head({ status: 200, fields: ['trailer', 'x-sum'] });
      if (head.path === '/second') {
        reply.write(Buffer.from('2'.repeat(50_000)));
        return reply.end([]);
      }
      reply.write(Buffer.from('a'.repeat(17)));
      setImmediate(() =>
        setImmediate(() => {
          reply.write(Buffer.from('b'.repeat(50_000)));
          reply.write(Buffer.from('c'));
          reply.end(['x-sum', '7']);
        }),
      );
    }),
  );
  const client = await connectRaw(port);
  client.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\nGET /second HTTP/1.1\r\nHost: a\r\n\r\n');
  const text = await client.until(/2\r\n0\r\n\r\n$/);
  const bodies = text.split(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*\r\n/);
  expect(bodies[1]).toMatch(/^11\r\na{17}\r\nc350\r\nb{50000}\r\n1\r\nc\r\n0\r\nx-sum: 7\r\n\r\n$/);
  expect(bodies[2]).toMatch(/^c350\r\n2{50000}\r\n0\r\n\r\n$/);
});

const CONNECT = 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n';

it('refuses CONNECT behind the answers before it', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.write(GET + CONNECT);
  const text = await client.closed();
  expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1])).toEqual(['200', '405']);
});

it('keeps no call of a client that sends CONNECT behind it and leaves', async () => {
  const listener = await startListener(() => ({ write() {}, end() {}, cancel() {}, grant() {} }));
  const socket = connect(listener.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(GET + CONNECT);
  await expect.poll(() => listener.openCalls()).toBe(1);
  socket.destroy();
  await expect.poll(() => listener.openCalls()).toBe(0);
});
