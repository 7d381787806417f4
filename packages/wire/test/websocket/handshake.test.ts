import { describe, expect, it, onTestFinished } from 'vitest';
import type { RequestHead } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { TEST_TLS } from '@bascule/testing/tls';
import { connectRaw, naming, startListener } from '../listener/support.ts';
import { judgeHandshake } from '../../src/websocket/handshake.ts';
import { connectSocket } from './client.ts';
import { holdingService, startSockets } from './support.ts';

const WAIT = { interval: 2 };

/** A whole handshake; undefined leaves a field out. */
function handshake(overrides: Readonly<Record<string, string | undefined>> = {}, line = 'GET /bascule.v1/ws'): string {
  const fields = {
    host: 'here.test',
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'sec-websocket-protocol': 'bascule.v1',
    ...overrides,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${value}`]));
  return `${line} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

describe('the handshake of a WebSocket over HTTP/1.1', () => {
  it('opens, and agrees on the subprotocol', async () => {
    const { listener } = await startSockets(naming);
    const client = await connectRaw(listener.port);
    client.write(handshake({ 'sec-websocket-protocol': 'other, bascule.v1', connection: 'keep-alive, Upgrade' }));
    const text = await client.until(/\r\n\r\n/);
    expect(text).toMatch(/^HTTP\/1\.1 101 /);
    expect(text).toMatch(/Sec-WebSocket-Accept: ICX\+Yqv66kxgM0FcWaLWlFLwTAI=\r\n/);
    expect(text).toMatch(/Sec-WebSocket-Protocol: bascule\.v1\r\n/);
    expect(text).not.toMatch(/Extensions/);
  });

  it.each([
    ['without an upgrade', { connection: 'close', upgrade: undefined }, 426, /upgrade: websocket/],
    ['for another protocol', { upgrade: 'h2c' }, 426, /upgrade: websocket/],
    ['of another version', { 'sec-websocket-version': '8' }, 426, /sec-websocket-version: 13/],
    ['without a version', { 'sec-websocket-version': undefined }, 426, /sec-websocket-version: 13/],
    ['without a key', { 'sec-websocket-key': undefined }, 400, /Key/],
    ['with a bad key', { 'sec-websocket-key': 'short' }, 400, /Key/],
    ['without a subprotocol', { 'sec-websocket-protocol': undefined }, 400, /bascule\.v1/],
    ['for another subprotocol', { 'sec-websocket-protocol': 'chat' }, 400, /bascule\.v1/],
    ['with a body', { 'content-length': '3' }, 400, /body/],
    ['of a page of another origin', { origin: 'https://evil.test' }, 403, /origin/],
    ['of a page without origin', { origin: 'null' }, 403, /origin/],
    ['of a page of another port', { origin: 'http://here.test:81' }, 403, /origin/],
    ['with two hosts', { Host: 'b.test' }, 400, /Host/],
  ])('answers one %s with its reason, and closes', async (_, overrides, status, words) => {
    const { listener } = await startSockets(naming);
    const client = await connectRaw(listener.port);
    client.write(handshake(overrides));
    const text = await client.closed();
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(text).toMatch(words);
    expect(text).toMatch(/connection: close\r\n/);
  });

  it('refuses one over HTTP/1.0', async () => {
    const { listener } = await startSockets(naming);
    const client = await connectRaw(listener.port);
    client.write(handshake().replace('HTTP/1.1', 'HTTP/1.0'));
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('opens over TLS', async () => {
    const { service, held } = holdingService();
    const { listener } = await startSockets(service, { tls: TEST_TLS });
    const client = await connectSocket(`wss://127.0.0.1:${listener.port}/bascule.v1/ws`, { rejectUnauthorized: false });
    onTestFinished(() => client.webSocket.terminate());
    startCall(client.service);
    await expect.poll(() => held[0]?.head.scheme, WAIT).toBe('https');
  });

  it('leaves every other upgrade and path as they are without sockets', async () => {
    const { listener } = await startSockets(naming);
    const plain = await startListener(naming);
    const requests = [
      handshake({}, 'GET /elsewhere'),
      handshake({ upgrade: 'h2c', 'http2-settings': 'AAAA' }, 'GET /x'),
      handshake({ 'content-length': '0' }, 'POST /bascule.v1/ws'),
    ];
    const answersOf = async (port: number): Promise<string[]> => {
      const answers = requests.map(async (request) => {
        const client = await connectRaw(port);
        client.write(request);
        return (await client.closed()).replace(/date: .*\r\n/i, '');
      });
      return Promise.all(answers);
    };
    const answers = await answersOf(listener.port);
    expect(answers).toEqual(await answersOf(plain.port));
    answers.forEach((answer) => expect(answer).toMatch(/^HTTP\/1\.1 200 /));
  });

  it('refuses one that does not wait for the answers before it', async () => {
    const { service, held } = holdingService();
    const { listener } = await startSockets(service);
    const client = await connectRaw(listener.port);
    client.write(`GET /slow HTTP/1.1\r\nhost: here.test\r\n\r\n${handshake()}`);
    await expect.poll(() => held.length, WAIT).toBe(1);
    held[0]?.reply.head({ status: 200, fields: ['content-type', 'text/plain'] });
    held[0]?.reply.write(Buffer.from('slow'));
    held[0]?.reply.end([]);
    expect(await client.closed()).toMatch(/^HTTP\/1\.1 200 [^]*slowHTTP\/1\.1 400 /);
  });

  it('reads frames that come right behind it', async () => {
    const { service, held } = holdingService();
    const { listener } = await startSockets(service);
    const client = await connectRaw(listener.port);
    const open = [1, 1, 0, 0, 6, ...Buffer.from('/a.B/C'), 0];
    client.write(handshake() + Buffer.from([0x82, 0x80 + open.length, 0, 0, 0, 0, ...open]).toString('latin1'));
    await expect.poll(() => held[0]?.head.path, WAIT).toBe('/a.B/C');
  });

  it.each([
    ['a caller that is no page', {}, 'a=1'],
    ['a page of the same host', { origin: 'https://HERE.test' }, 'a=1'],
    ['a page of a listed origin', { origin: 'https://listed.test' }, 'a=1'],
  ])('takes %s, with cookies', async (_, headers, cookie) => {
    expect(await cookieOf(headers, true)).toEqual(cookie);
  });

  it.each([
    ['a listed origin without credentials', { origin: 'https://listed.test' }],
    ['any origin', { origin: 'https://any.test' }],
  ])('takes a page of %s, without cookies', async (_, headers) => {
    expect(await cookieOf(headers, false)).toBeUndefined();
  });

  async function cookieOf(headers: object, allowCredentials: boolean): Promise<string | undefined> {
    const heads: RequestHead[] = [];
    const { connect } = await startSockets(
      (head) => {
        heads.push(head);
        return { write() {}, end() {}, cancel() {}, grant() {} };
      },
      { webSocket: { cors: () => ({ allowOrigins: ['https://listed.test', '*'], allowCredentials }) } },
    );
    const client = await connect({ headers: { host: 'here.test', cookie: 'a=1', ...headers } });
    startCall(client.service, createHead());
    await expect.poll(() => heads.length, WAIT).toBe(1);
    const { fields } = heads[0] as RequestHead;
    const at = fields.indexOf('cookie');
    return at < 0 ? undefined : fields[at + 1];
  }
});

it('takes a page in the clear for one of the same host only where the host itself speaks in the clear', () => {
  const fields = ['sec-websocket-version', '13', 'sec-websocket-protocol', 'bascule.v1'];
  const judge = (scheme: 'http' | 'https', origin: string): string =>
    judgeHandshake({ authority: 'here.test', fields: [...fields, 'origin', origin] }, scheme, undefined).type;
  expect(judge('http', 'http://here.test')).toBe('accepted');
  expect(judge('http', 'https://here.test')).toBe('accepted');
  expect(judge('https', 'https://here.test')).toBe('accepted');
  expect(judge('https', 'http://here.test')).toBe('refused');
});
