import type { TLSSocket } from 'node:tls';
import { createVirtualClock, systemClock } from '@bascule/core';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpError } from '../../src/peers/http-answer.ts';
import { createHttpClient, type HttpClient, type HttpClientOptions } from '../../src/peers/http.ts';
import { sendJson, startStub, type Answering, type StubServer } from './stub-server.ts';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function stub(answer: Answering, options: Parameters<typeof startStub>[1] = {}): Promise<StubServer> {
  const server = await startStub(answer, options);
  closing.push(() => server.close());
  return server;
}

function client(origins: string | readonly string[], options: Partial<HttpClientOptions> = {}): HttpClient {
  const http = createHttpClient({ origins: [origins].flat(), clock: systemClock, ...options });
  closing.push(() => http.close());
  return http;
}

const { signal } = new AbortController();
const GET = { method: 'GET', path: '/a?b=c', signal } as const;

function messageOf(error: unknown): string {
  return (error as Error).message;
}

describe('the HTTP client', () => {
  it('sends a body and headers, and gives back JSON and headers', async () => {
    let got = '';
    const server = await stub((request, response) => {
      request.on('data', (chunk: Buffer) => (got += chunk.toString()));
      request.on('end', () => sendJson(response, { ok: request.headers['x-who'] }, { 'x-index': '7' }));
    });
    const http = client(server.origin, { headers: { 'x-who': 'me' } });
    const answer = await http.ask({ ...GET, method: 'PUT', body: { grüße: [1] } });
    expect([answer.json(), answer.header('x-index'), answer.header('x-none')]).toEqual([{ ok: 'me' }, '7', undefined]);
    expect([JSON.parse(got), server.asked]).toEqual([{ grüße: [1] }, ['PUT /a?b=c']]);
  });

  it('says what, where, the status and the beginning of the body, as one line of ASCII', async () => {
    const body = `no\n\u001b[31m\u202eright${'x'.repeat(1_000)}`;
    const server = await stub((_, response) => response.writeHead(403).end(body));
    const error = await client(server.origin)
      .ask(GET)
      .catch((error: unknown) => error);
    expect(error).toBeInstanceOf(HttpError);
    expect((error as HttpError).status).toBe(403);
    expect((error as HttpError).body).toBe(body);
    const [start, quoted = ''] = messageOf(error).split(' 403 ');
    expect(start).toBe(`GET ${server.origin}/a?b=c:`);
    expect(quoted).toMatch(/^"no\\n\\u001b\[31m\\u202erightx+"$/);
    expect(quoted.length).toBeLessThan(230);
  });

  it('follows no redirect', async () => {
    const server = await stub((_, response) => response.writeHead(302, { location: '/elsewhere' }).end());
    await expect(client(server.origin).ask(GET)).rejects.toThrow(/: 302 ""$/);
    expect(server.asked).toEqual(['GET /a?b=c']);
  });

  it('says when an answer is no JSON', async () => {
    const server = await stub((_, response) => response.end('<html>\u0000'));
    const answer = await client(server.origin).ask(GET);
    expect(() => answer.json()).toThrow(`GET ${server.origin}/a?b=c: the answer is no JSON: "<html>\\u0000"`);
  });

  it('reads no more than it may', async () => {
    let sent = 0;
    const server = await stub((_, response) => {
      const more = (): void => {
        while (sent < 50_000_000 && !response.destroyed) {
          sent += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', more);
        }
      };
      more();
    });
    const asking = client(server.origin, { maxBytes: 100_000 }).ask(GET);
    await expect(asking).rejects.toThrow('the answer has more than 100000 bytes');
    // The connection is gone, so that the rest is not sent.
    expect(sent).toBeLessThan(50_000_000);
  });

  it('gives up after its time, before and within an answer', async () => {
    const clock = createVirtualClock();
    const begun = Promise.withResolvers<void>();
    const server = await stub((request, response) => {
      if (request.url === '/begins') response.write('[');
      begun.resolve();
    });
    const http = client(server.origin, { clock });
    for (const path of ['/begins', '/never']) {
      const asking = http.ask({ ...GET, path, timeoutMs: 3_000 });
      const refused = expect(asking).rejects.toThrow(`GET ${server.origin}${path}: no answer within 3000 ms`);
      await begun.promise;
      clock.advance(3_000);
      await refused;
    }
    expect(clock.pending()).toBe(0);
  });

  it('ends with the reason of the signal, and asks nothing when it is aborted already', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const server = await stub(() => abort.abort(reason));
    const http = client(server.origin);
    await expect(http.ask({ ...GET, signal: abort.signal })).rejects.toBe(reason);
    await expect(http.ask({ ...GET, signal: abort.signal })).rejects.toBe(reason);
    expect(server.asked).toHaveLength(1);
  });

  it('says why nobody answers', async () => {
    const server = await stub(() => undefined);
    await server.close();
    closing.pop();
    await expect(client(server.origin).ask(GET)).rejects.toThrow(
      `GET ${server.origin}/a?b=c: connect ECONNREFUSED ${server.address}`,
    );
  });

  it('fails when an answer breaks off', async () => {
    const server = await stub((_, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('[1');
      setImmediate(() => response.destroy());
    });
    await expect(client(server.origin).ask(GET)).rejects.toThrow(/: aborted$/);
  });

  it('keeps its connection, and asks again on a new one when that turns out to be closed', async () => {
    let isDead = false;
    const server = await stub((request, response) => {
      if (isDead) request.socket.resetAndDestroy();
      else sendJson(response, 1);
      isDead = false;
    });
    const http = client(server.origin, { maxConnections: 1 });
    await http.ask(GET);
    await http.ask(GET);
    expect(server.accepted).toBe(1);
    isDead = true;
    await http.ask(GET);
    expect([server.accepted, server.asked.length]).toEqual([2, 4]);
  });

  it('does not ask another time for what waits, since the server may have started anew', async () => {
    const server = await stub((request, response) => {
      if (request.url?.includes('wait') === true) request.socket.resetAndDestroy();
      else sendJson(response, 1);
    });
    const http = client(server.origin, { maxConnections: 1 });
    await http.ask(GET);
    await expect(http.ask({ ...GET, path: '/a?wait=5m', waits: true })).rejects.toThrow('the connection was lost');
    expect(server.asked).toHaveLength(2);
  });

  it('does not ask again when a fresh connection is reset', async () => {
    const server = await stub((request) => request.socket.resetAndDestroy());
    await expect(client(server.origin).ask(GET)).rejects.toThrow(/ECONNRESET|socket hang up/);
    expect(server.asked).toHaveLength(1);
  });

  it('goes on to the next server when one fails, and not when one says no', async () => {
    const one = await stub((request, response) => response.writeHead(request.url === '/no' ? 404 : 500).end());
    const two = await stub((_, response) => sendJson(response, 2));
    const http = client([one.origin, two.origin]);
    await expect(http.ask({ ...GET, path: '/no' })).rejects.toThrow(one.origin);
    await expect(http.ask(GET)).rejects.toThrow(one.origin);
    expect((await http.ask(GET)).json()).toBe(2);
    await two.close();
    await expect(http.ask(GET)).rejects.toThrow(two.origin);
    await expect(http.ask(GET)).rejects.toThrow(one.origin);
    closing.splice(1, 1);
  });

  it('trusts only what it was told to over TLS, and shows its certificate', async () => {
    const tls = { ...TEST_TLS, requestCert: true, rejectUnauthorized: false };
    const server = await stub(
      (request, response) => {
        sendJson(response, (request.socket as TLSSocket).getPeerCertificate().subject?.CN ?? null);
      },
      { tls },
    );
    const origin = server.origin.replace('127.0.0.1', 'localhost');
    await expect(client(origin).ask(GET)).rejects.toThrow(/self-signed certificate/);
    expect((await client(origin, { tls: { ca: TEST_TLS.cert } }).ask(GET)).json()).toBe(null);
    expect((await client(origin, { tls: { ca: TEST_TLS.cert, ...TEST_TLS } }).ask(GET)).json()).toBe('localhost');
  });

  it('leaves no connection open behind its end', async () => {
    const server = await stub((_, response) => sendJson(response, 1));
    const http = client(server.origin);
    await http.ask(GET);
    expect(server.connections).toBe(1);
    http.close();
    await expect.poll(() => server.connections).toBe(0);
  });
});
