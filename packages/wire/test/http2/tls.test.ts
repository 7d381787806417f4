import { createSecureServer } from 'node:http2';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { Code, createVirtualClock, getField, systemClock, type Link } from '@bascule/core';
import { TEST_TLS } from '@bascule/testing/tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import { echo, readiness, unary } from './support.ts';

const TRUSTING = { ca: TEST_TLS.cert, servername: 'localhost' };

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function openTls(port: number, tls = {}): Link {
  const link = createHttp2Link({ host: '127.0.0.1', port, clock: systemClock, tls: { ...TRUSTING, ...tls } });
  onTestFinished(() => link.destroy());
  return link;
}

describe('a link over TLS', () => {
  it('agrees on h2, and says that its scheme is https', async () => {
    const schemes: unknown[] = [];
    const server = createSecureServer({ ...TEST_TLS });
    server.on('stream', (stream, headers) => {
      schemes.push(headers[':scheme']);
      echo(stream);
    });
    const link = openTls(await listening(server));
    await readiness(link, true);
    const big = Buffer.alloc(300_000, 7);
    const record = await unary(link, big);
    expect(Buffer.concat(record.chunks).equals(big)).toBe(true);
    expect(getField(record.trailers ?? [], 'grpc-status')).toBe('0');
    expect(schemes).toEqual(['https']);
  });

  it('shows its certificate to a backend that asks for one', async () => {
    const server = createSecureServer({ ...TEST_TLS, ca: TEST_TLS.cert, requestCert: true, rejectUnauthorized: true });
    server.on('stream', (stream) => echo(stream));
    const port = await listening(server);
    expect((await unary(openTls(port, TEST_TLS))).error).toBeUndefined();
    const refused = await unary(openTls(port));
    expect(refused.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  });

  it.each([
    ['does not speak ALPN', undefined, /does not agree on HTTP\/2 over TLS/],
    ['speaks HTTP/1.1 alone', ['http/1.1'], /does not agree on HTTP\/2 over TLS/],
  ])('fails with a reason when the backend %s', async (_title, ALPNProtocols, reason) => {
    const server = createTlsServer({ ...TEST_TLS, ...(ALPNProtocols === undefined ? {} : { ALPNProtocols }) });
    const link = openTls(await listening(server));
    const { error } = await unary(link);
    expect(error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(error?.message).toMatch(reason);
  });

  it.each([
    ['is not trusted', { ca: undefined }, /no authority that is trusted here .*\(DEPTH_ZERO_SELF_SIGNED_CERT\)/],
    ['bears another name', { servername: 'other.example' }, /is not of other\.example but of none/],
  ])('fails with a reason when the certificate %s', async (_title, tls, reason) => {
    const server = createSecureServer({ ...TEST_TLS });
    const { error } = await unary(openTls(await listening(server), tls));
    expect(error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(error?.message).toMatch(reason);
  });

  it('gives up on a backend that takes the connection and never speaks TLS', async () => {
    const accepted = Promise.withResolvers<void>();
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('close', () => server.close());
      accepted.resolve();
    });
    const port = await listening(server);
    const clock = createVirtualClock();
    const link = createHttp2Link({ host: '127.0.0.1', port, clock, tls: TRUSTING });
    onTestFinished(() => link.destroy());
    const call = unary(link);
    await accepted.promise;
    clock.advance(5_001);
    expect((await call).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  });
});
