import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { systemClock } from '@bascule/core';
import { createHead, describeServiceContract, startCall } from '@bascule/testing';
import { echoCallee } from '../../../../test/support/src/contract-callees.ts';
import { frameMessage, patternBytes, sameBytes } from '../../../../test/support/src/contract-bytes.ts';
import { listen } from '../../src/listener.ts';
import { call, wrapSocket, type SocketClient } from './client.ts';
import { holdingService, startSockets } from './support.ts';

const WAIT = { interval: 2 };

interface Asked {
  readonly session: ClientHttp2Session;
  readonly stream: ClientHttp2Stream;
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Sends an extended CONNECT (RFC 8441) and waits for its answer. */
async function ask(port: number, headers: Readonly<Record<string, string>> = {}): Promise<Asked> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const [settings] = (await once(session, 'remoteSettings')) as [{ enableConnectProtocol?: boolean }];
  expect(settings.enableConnectProtocol).toBe(true);
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'http',
    ':authority': `127.0.0.1:${port}`,
    ':path': '/bascule.v1/ws',
    'sec-websocket-version': '13',
    'sec-websocket-protocol': 'bascule.v1',
    ...headers,
  });
  stream.on('error', () => {});
  const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
  return { session, stream, status: Number(answer[':status']), headers: answer };
}

/** The client's half of a WebSocket over a stream: ws has none that opens so, but its class takes any Duplex. */
async function connectOverHttp2(port: number): Promise<SocketClient & { readonly session: ClientHttp2Session }> {
  const { session, stream, status, headers } = await ask(port);
  expect([status, headers['sec-websocket-protocol']]).toEqual([200, 'bascule.v1']);
  // As a client masks: made by an address, then given a socket of another origin than the one it would have opened.
  const webSocket = new WebSocket('ws://unused.invalid', {
    createConnection: () => new Duplex({ read() {}, write() {} }),
  });
  (webSocket as unknown as { setSocket(socket: Duplex, head: Buffer, options: object): void }).setSocket(
    stream,
    Buffer.alloc(0),
    { maxPayload: 0 },
  );
  const client = wrapSocket(webSocket);
  webSocket.once('close', () => session.destroy());
  return { ...client, session };
}

describeServiceContract(
  'a WebSocket over HTTP/2 and a listener',
  async (callee) => {
    const listener = await listen({ host: '127.0.0.1', port: 0, service: callee, clock: systemClock, webSocket: {} });
    const client = await connectOverHttp2(listener.port);
    return {
      service: client.service,
      async close() {
        client.session.destroy();
        await listener.close(0);
      },
    };
  },
  {
    except: {
      fail: 'frames have no word for it: TRAILERS says the code',
      'fail-after-head': 'the same: TRAILERS says the code',
      status: 'frames have no HTTP status: TRAILERS says the code it stands for',
    },
  },
);

describe('a WebSocket over HTTP/2', () => {
  it('carries calls beside requests of the same connection', async () => {
    const { listener } = await startSockets(echoCallee());
    const client = await connectOverHttp2(listener.port);
    onTestFinished(() => client.session.destroy());
    const request = client.session.request({ ':method': 'POST', ':path': '/a.v1.B/C' });
    const messages = Array.from({ length: 50 }, (_, i) => frameMessage(patternBytes(1_000 + i, i)));
    const answers = await Promise.all(messages.map((message) => call(client, createHead(), message)));
    answers.forEach(({ bytes }, i) => expect(sameBytes(bytes, messages[i] as Uint8Array)).toBe(true));
    request.end('echo');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('echo');
    await client.close();
  });

  it.each([
    ['at another path', { ':path': '/elsewhere' }, 404],
    ['of another version', { 'sec-websocket-version': '8' }, 426],
    ['for another subprotocol', { 'sec-websocket-protocol': 'chat' }, 400],
    ['of a page of another origin', { origin: 'https://evil.test' }, 403],
    ['for another protocol', { ':protocol': 'webtransport' }, 501],
  ])('is refused %s', async (_, headers, expected) => {
    const { listener } = await startSockets(echoCallee());
    const { session, status } = await ask(listener.port, headers);
    onTestFinished(() => session.destroy());
    expect(status).toBe(expected);
  });

  it('ends its calls when its stream or connection is gone', async () => {
    const { service, held } = holdingService();
    const { listener } = await startSockets(service);
    const client = await connectOverHttp2(listener.port);
    const context = startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(1);
    expect(held[0]?.head.call.httpVersion).toBe('2');
    client.session.destroy();
    await expect.poll(() => held[0]?.cancels, WAIT).toEqual(['caller-gone']);
    await context.done;
    expect(listener.openCalls()).toBe(0);
  });

  it('says that it goes when the listener closes, and cuts no call', async () => {
    const { service, held } = holdingService();
    const { listener } = await startSockets(service);
    const client = await connectOverHttp2(listener.port);
    const last = startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(1);
    const closing = listener.close(30_000);
    await expect.poll(() => client.goAways, WAIT).toEqual([0x7fff_ffff, 1]);
    held[0]?.reply.end(['grpc-status', '0']);
    await last.done;
    expect(last.trailers).toEqual(['grpc-status', '0']);
    expect((await client.closed).code).toBe(1001);
    await closing;
  });
});
