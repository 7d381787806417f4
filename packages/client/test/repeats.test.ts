import { once } from 'node:events';
import { constants, createServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createVirtualClock, callError, Code } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../../test/support/src/servers/ports.ts';
import { processedOf } from '../src/index.ts';
import { Repeats } from '../src/repeats.ts';
import { connect } from './support/calls.ts';
import { createTurns, seeError, toMessages } from './support/scenarios.ts';
import { startServer } from './support/servers.ts';

/** A gRPC server that does with each stream what it is told. */
async function startRaw(answer: (stream: ServerHttp2Stream, count: number) => void) {
  let count = 0;
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    answer(stream, ++count);
  });
  server.on('sessionError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    streams: () => count,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

function answerWell(stream: ServerHttp2Stream): void {
  stream.resume();
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(Buffer.from([0, 0, 0, 0, 0]));
}

const refuse = (stream: ServerHttp2Stream): void => stream.close(constants.NGHTTP2_REFUSED_STREAM);

describe('repeats', () => {
  it('come for what the server refused unseen, of every kind of call', async () => {
    await using server = await startRaw((stream, count) => (count % 2 === 1 ? refuse(stream) : answerWell(stream)));
    await using ours = connect(server.url);
    await ours.client.say({ value: 'a' });
    await ours.client.blob({ value: new Uint8Array(200_000) });
    for await (const _ of ours.client.count({ value: 1 }));
    await ours.client.join(toMessages('a', 'b', 'c'));
    expect(server.streams()).toBe(8);
  });

  it('send all of the request again', async () => {
    const bodies: number[] = [];
    await using server = await startRaw((stream, count) => {
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => (bytes += chunk.length));
      stream.on('end', () => {
        bodies.push(bytes);
        if (count === 1) refuse(stream);
        else answerWell(stream);
      });
    });
    await using ours = connect(server.url);
    await ours.client.join(toMessages('a', 'bb', 'ccc'));
    expect(bodies).toEqual([27, 27]);
  });

  it('do not come for what the server may have seen', async () => {
    await using server = await startRaw((stream) => stream.session?.destroy());
    await using ours = connect(server.url);
    const error: unknown = await ours.client.say({ value: 'a' }).catch((thrown: unknown) => thrown);
    expect(await seeError(Promise.reject(error as Error))).toMatchObject({ code: 'Unavailable' });
    expect(processedOf(error)).toBe('maybe');
    expect(server.streams()).toBe(1);
  });

  it('do not come for what the server said itself', async () => {
    await using server = await startRaw((stream) => {
      const fields = {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': '14',
        'grpc-message': 'busy',
      };
      stream.respond(fields, { endStream: true });
    });
    await using ours = connect(server.url);
    const error: unknown = await ours.client.say({ value: 'a' }).catch((thrown: unknown) => thrown);
    expect(await seeError(Promise.reject(error as Error))).toMatchObject({ code: 'Unavailable', message: 'busy' });
    expect(processedOf(error)).toBeUndefined();
    expect(server.streams()).toBe(1);
  });

  it('end when a server refuses on and on', async () => {
    await using server = await startRaw(refuse);
    await using ours = connect(server.url);
    // No deadline: one that ended an attempt would be told instead.
    const error: unknown = await ours.client.say({ value: 'a' }).catch((thrown: unknown) => thrown);
    expect(processedOf(error)).toBe('refused');
    expect(server.streams()).toBeGreaterThan(2);
  });

  it('wait for a server that comes back', async () => {
    const port = await freePort();
    await using ours = connect(`http://127.0.0.1:${port}`, { connectWaitMs: 10_000 });
    const call = ours.client.say({ value: 'a' });
    const turns = createTurns();
    const stream = ours.client.join(turns);
    turns.send('at once');
    const server = createServer();
    server.on('stream', (stream) => answerWell(stream));
    setTimeout(() => server.listen(port, '127.0.0.1'), 300);
    // Requests that come while the call pauses.
    for (let i = 0; i < 10; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      turns.send('later');
    }
    turns.end();
    await call;
    await stream;
    await ours.transport.close();
    server.close();
    await once(server, 'close');
  });

  it('do not come where calls are not to wait', async () => {
    await using server = await startServer('2');
    const { url } = server;
    await server[Symbol.asyncDispose]();
    for (const httpVersion of ['2', '1.1'] as const) {
      await using ours = connect(url, { protocol: 'connect', httpVersion, connectWaitMs: 0 });
      const error: unknown = await ours.client.say({ value: 'a' }).catch((thrown: unknown) => thrown);
      expect(processedOf(error)).toBe('never-sent');
      expect(String(error)).toContain('ECONNREFUSED');
    }
  });

  it('grow their pauses, within what a call may wait and its deadline', () => {
    const clock = createVirtualClock(7);
    const neverSent = callError(Code.unavailable, 'away', 'never-sent');
    const repeats = new Repeats(clock, 1000);
    const delays: number[] = [];
    for (let delayMs = repeats.next(neverSent, undefined); delayMs !== undefined;) {
      delays.push(delayMs);
      clock.advance(delayMs);
      delayMs = repeats.next(neverSent, undefined);
    }
    expect(delays.slice(0, 3)).toEqual([0, 0, 0]);
    expect(delays[3]).toBeLessThanOrEqual(10);
    expect(Math.max(...delays)).toBeLessThanOrEqual(250);
    expect(clock.nowMs()).toBeLessThan(1000);
    expect(clock.nowMs()).toBeGreaterThan(700);
    const hurried = new Repeats(clock, 1000);
    for (let i = 0; i < 3; i++) expect(hurried.next(neverSent, clock.nowMs())).toBe(0);
    expect(hurried.next(neverSent, clock.nowMs() + 4)).toBeUndefined();
  });
});

describe('close', () => {
  it('lets open calls end, and takes no new ones', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const answers: string[] = [];
    let closed: Promise<void> | undefined;
    for await (const { value } of ours.client.count({ value: 12 })) {
      answers.push(value);
      closed ??= ours.transport.close();
    }
    await closed;
    expect(answers).toHaveLength(12);
    expect(await seeError(ours.client.say({ value: 'a' }))).toMatchObject({
      code: 'Unavailable',
      message: 'the transport is closed',
    });
  });

  it('is not needed by a transport that was not used, and may come twice', async () => {
    const ours = connect('http://127.0.0.1:1');
    await ours.transport.close();
    await ours.transport.close();
  });
});

describe('idle connections', () => {
  it('close, and the next call opens another', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { idleTimeoutMs: 50 });
    await ours.client.say({ value: 'a' });
    const [first] = server.sessions;
    if (first === undefined) throw new Error('no session');
    await once(first, 'close');
    await ours.client.say({ value: 'b' });
    expect(server.sessions.size).toBe(1);
  });
});
