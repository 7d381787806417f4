import { expect, it, describe } from 'vitest';
import type { Service } from '@bascule/core';
import { connectRaw, naming, startListener } from '../listener/support.ts';

const GOOD = 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n';

// Each head is sent between two good requests on one connection.
const REFUSED: readonly (readonly [title: string, request: string, status: RegExp])[] = [
  ['two Host fields', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', /400/],
  ['userinfo in Host', 'GET / HTTP/1.1\r\nHost: a@evil\r\n\r\n', /400/],
  ['empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', /400/],
  ['Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', /400/],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', /400/],
  ['an absolute form of another host', 'GET http://evil/ HTTP/1.1\r\nHost: a\r\n\r\n', /400/],
  ['a coding before chunked', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n', /501/],
  [
    'chunked twice',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /400|501/,
  ],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', /400/],
  [
    'both framings',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    /400/,
  ],
  ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc', /400/],
  ['a signed length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc', /400/],
  ['a listed length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc', /400/],
  ['a space before the colon', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc', /400/],
  ['a folded field', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', /400/],
  ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n', /400/],
  ['a NUL', 'GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n', /400/],
  [
    'an Expect it does not know',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: y 100-continue\r\n\r\na',
    /417/,
  ],
  ['HTTP/2.0 in a request line', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', /505/],
  ['CONNECT', 'CONNECT evil:443 HTTP/1.1\r\nHost: evil:443\r\n\r\n', /405/],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', /400/],
  ['more than 100 fields', `GET / HTTP/1.1\r\nHost: a\r\n${'x: y\r\n'.repeat(100)}\r\n`, /431/],
  ['a field of 20 kB', `GET / HTTP/1.1\r\nHost: a\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`, /431/],
  ['a target of 100 kB', `GET /${'y'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, /431/],
];

describe('requests that two parsers could read in two ways', () => {
  for (const [title, request, status] of REFUSED) {
    it(`refuses ${title}, closes, and runs nothing behind it`, async () => {
      const paths: string[] = [];
      const service: Service = (head, reply) => {
        paths.push(head.path);
        return naming(head, reply);
      };
      const { port } = await startListener(service);
      const client = await connectRaw(port);
      client.write(GOOD);
      await client.until(/GET \/good/);
      client.write(request + GOOD);
      const text = await client.closed();
      const answers = text.match(/HTTP\/1\.1 \d+/g) ?? [];
      expect(answers).toHaveLength(2);
      expect(answers[1]).toMatch(status);
      expect(paths).toEqual(['/good']);
    });
  }
});

it('takes an absolute form that names the same host, by its path', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.write('GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until(/GET \/x\?y/);
});

it('ignores Upgrade and keeps what belongs to the connection from the service', async () => {
  const fields: string[] = [];
  const { port } = await startListener((head, reply) => {
    fields.push(...head.fields);
    return naming(head, reply);
  });
  const client = await connectRaw(port);
  client.write(
    'GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings, x-mine\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n' +
      'X-Mine: 1\r\nKeep-Alive: 5\r\nTE: gzip\r\nX-Other: 2\r\n\r\n',
  );
  await client.until(/GET \/x/);
  expect(fields).toEqual(['x-other', '2']);
});

it('closes after a request that asks for an upgrade, so that nobody waits for what came behind it', async () => {
  const { port } = await startListener(naming);
  const client = await connectRaw(port);
  client.write('GET /first HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n' + GOOD);
  const text = await client.closed();
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*GET \/first/i);
  expect(text.match(/HTTP\/1\.1 \d+/g)).toHaveLength(1);
});

it('answers what came before a broken request, in order, then 400', async () => {
  const answers: (() => void)[] = [];
  const { port } = await startListener((head, reply) => ({
    write() {},
    end() {
      answers.push(() => {
        reply.head({ status: 200, fields: [] });
        reply.write(Buffer.from(`<${head.path}>`));
        reply.end([]);
      });
    },
    cancel() {},
    grant() {},
  }));
  const client = await connectRaw(port);
  client.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n');
  await expect.poll(() => answers.length).toBe(2);
  client.write('BROKEN\r\n\r\n');
  answers[1]?.();
  answers[0]?.();
  const text = await client.closed();
  expect(text.replaceAll(/\r\n(?:[^\r\n]+\r\n)+\r\n/g, '|')).toMatch(
    /^HTTP\/1\.1 200 OK\|<\/1>HTTP\/1\.1 200 OK\|<\/2>HTTP\/1\.1 400 Bad Request\|/,
  );
});
