import { Code, createVirtualClock, type Link } from '@bascule/core';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../../test/support/src/servers/ports.ts';
import {
  echo,
  frame,
  openLink,
  readiness,
  requestHead,
  startCall,
  startNodeServer,
  startRawPeer,
  uint32,
  unary,
  type NodeServer,
  type RawPeer,
} from './support.ts';

const cleanups: (() => unknown)[] = [];

function track(link: Link): Link {
  cleanups.push(() => link.destroy());
  return link;
}

async function nodeServer(...args: Parameters<typeof startNodeServer>): Promise<NodeServer> {
  const server = await startNodeServer(...args);
  cleanups.push(() => server.close());
  return server;
}

async function rawPeer(greeting?: Uint8Array): Promise<RawPeer> {
  const peer = await startRawPeer(greeting);
  cleanups.push(() => peer.close());
  return peer;
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const HEADERS = 1;
const OK_HEADERS = Buffer.from([0x88]);

describe('connections of a link', () => {
  test('connects without being called, and says so', async () => {
    const server = await nodeServer(echo);
    const link = track(openLink(server.port));
    expect(link.isReady()).toBe(false);
    await readiness(link, true);
    expect(server.sessions.size).toBe(1);
  });

  test('a stream limit of 1 opens more connections up to the maximum, then calls wait', async () => {
    let open = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const server = await nodeServer(
      (stream) => {
        open += 1;
        most = Math.max(most, open);
        const answer = () => {
          open -= 1;
          stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true });
        };
        // Answers only when all connections are in use: proves that they are used side by side.
        waiting.push(answer);
        if (waiting.length >= 3) for (const next of waiting.splice(0)) setImmediate(next);
      },
      { maxConcurrentStreams: 1 },
    );
    const link = track(openLink(server.port, { maxConnections: 3 }));
    const records = await Promise.all(Array.from({ length: 9 }, () => unary(link)));
    for (const record of records) expect(record.error).toBeUndefined();
    expect(server.sessions.size).toBe(3);
    expect(most).toBe(3);
  });

  test('surplus connections go when idle', async () => {
    const waiting: (() => void)[] = [];
    const server = await nodeServer(
      (stream) => {
        waiting.push(() => stream.respond({ ':status': 200, 'grpc-status': '0' }, { endStream: true }));
        if (waiting.length === 2) for (const next of waiting) next();
      },
      { maxConcurrentStreams: 1 },
    );
    const clock = createVirtualClock();
    const link = track(openLink(server.port, { clock }));
    await Promise.all([unary(link), unary(link)]);
    expect(server.sessions.size).toBe(2);
    const [, second] = server.sessions;
    const gone = new Promise((resolve) => second?.once('close', resolve));
    clock.advance(29_000);
    expect(server.sessions.size).toBe(2);
    clock.advance(31_000);
    await gone;
    expect(server.sessions.size).toBe(1);
    expect(link.isReady()).toBe(true);
  });

  test('the queue is bounded', async () => {
    const server = await nodeServer(() => undefined, { maxConcurrentStreams: 1 });
    const link = track(openLink(server.port, { maxConnections: 1, limits: { maxQueuedCalls: 2 } }));
    await readiness(link, true);
    const calls = Array.from({ length: 4 }, () => startCall(link));
    const refused = (await calls[3]?.done)?.error;
    expect(refused).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(refused?.message).toContain('2 calls wait for the backend, which is the limit');
    expect(calls.slice(0, 3).map((call) => call.record.ends)).toEqual([0, 0, 0]);
    // A cancelled one makes room.
    calls[2]?.body.cancel('caller-gone');
    const next = startCall(link);
    link.destroy();
    expect((await next.done).error?.processed).toBe('never-sent');
    expect((await calls[0]?.done)?.error?.processed).toBe('maybe');
    expect(calls[2]?.record.ends).toBe(0);
  });

  test('nobody there: calls fail never-sent, and backoff grows to its bound', async () => {
    const port = await freePort();
    const clock = createVirtualClock(7);
    const link = track(openLink(port, { clock }));
    const first = await unary(link);
    expect(first.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(first.error?.message).toMatch(/ECONNREFUSED/);
    expect((await unary(link)).error?.processed).toBe('never-sent');
    expect(clock.pending()).toBe(1);
    clock.advance(79);
    expect(clock.pending()).toBe(1);
    const back = await startNodeServer(echo, {}, port);
    cleanups.push(() => back.close());
    clock.advance(50);
    await readiness(link, true);
    expect((await unary(link)).trailers).toEqual(['grpc-status', '0']);
  });

  test('a lost connection flips readiness at once, fails what was sent as maybe, and comes back', async () => {
    const server = await nodeServer((stream, headers) => {
      if (headers[':path'] === '/die') stream.session?.destroy();
      else echo(stream);
    });
    const link = track(openLink(server.port));
    await unary(link);
    const changes: boolean[] = [];
    const back = Promise.withResolvers<void>();
    let readyAtFail: boolean | undefined;
    link.onReadyChange((ready) => {
      changes.push(ready);
      if (ready) back.resolve();
    });
    const record = startCall(link, requestHead('/die'));
    record.body.end();
    void record.done.then(() => (readyAtFail ??= link.isReady()));
    expect((await record.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    await back.promise;
    expect(changes).toEqual([false, true]);
    expect(readyAtFail).toBe(false);
    expect((await unary(link)).trailers).toEqual(['grpc-status', '0']);
  });

  test('a connection that accepts and never speaks is given up', async () => {
    const peer = await rawPeer(Buffer.alloc(0));
    const clock = createVirtualClock();
    const link = track(openLink(peer.port, { clock }));
    const waiting = startCall(link);
    await peer.seen((seen) => seen.type === 4);
    clock.advance(5001);
    expect((await waiting.done).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  });

  test('a peer that accepts, greets and closes gets a backoff, not a loop', async () => {
    const peer = await rawPeer();
    const clock = createVirtualClock();
    const link = track(openLink(peer.port, { clock }));
    await readiness(link, true);
    (await peer.socket()).destroy();
    await readiness(link, false);
    expect(clock.pending()).toBe(1);
    expect((await unary(link)).error?.processed).toBe('never-sent');
  });

  test('nothing is left on the clock or open after destroy', async () => {
    const server = await nodeServer(echo);
    const clock = createVirtualClock();
    const link = openLink(server.port, { clock });
    await unary(link);
    link.destroy();
    await link.close();
    expect(clock.pending()).toBe(0);
  });
});

describe('GOAWAY', () => {
  test('above the last id is refused, below runs on, new calls go to a new connection', async () => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port));
    const calls = [startCall(link), startCall(link)];
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 3);
    peer.send(frame(1, 4, 1, OK_HEADERS));
    peer.send(frame(7, 0, 0, uint32(1, 0)));
    expect((await calls[1]?.done)?.error).toMatchObject({ code: Code.unavailable, processed: 'refused' });
    expect(link.isReady()).toBe(false);
    expect(calls[0]?.record.ends).toBe(0);
    peer.send(frame(0, 1, 1, Buffer.from('x')));
    expect((await calls[0]?.done)?.bytes).toBe(1);
    // Having nothing left to do, the client says goodbye and closes.
    expect((await peer.seen((seen) => seen.type === 7))?.payload.readUInt32BE(4)).toBe(0);
  });

  test('in two phases no call is lost', async () => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port));
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(frame(7, 0, 0, uint32(0x7fff_ffff, 0)));
    await readiness(link, false);
    peer.send(frame(7, 0, 0, uint32(1, 0)));
    peer.send(Buffer.concat([frame(1, 4, 1, OK_HEADERS), frame(0, 1, 1)]));
    expect((await call.done).trailers).toEqual([]);
  });

  test('a server that drains again and again loses no call', async () => {
    let calls = 0;
    const server = await nodeServer((stream) => {
      calls += 1;
      echo(stream);
      if (calls % 5 === 0) stream.session?.close();
    });
    const link = track(openLink(server.port));
    for (let i = 0; i < 40; i++) {
      let record = await unary(link);
      if (record.error?.processed === 'refused' || record.error?.processed === 'never-sent') record = await unary(link);
      expect(record.error).toBeUndefined();
    }
    expect(calls).toBe(40);
  });
});
