import { createVirtualClock, systemClock, type Clock, type Link, type RequestHead, type Service } from '@bascule/core';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { listen } from '../../src/listener.ts';
import {
  echo,
  frame,
  openLink,
  readiness,
  requestHead,
  startCall,
  startNodeServer,
  startRawPeer,
  unary,
  type RawPeer,
  type TestCall,
} from './support.ts';

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const PING = 6;
const OK = Buffer.from([0x88]);
const ENDED = 5;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function open(clock: Clock = systemClock): Promise<{ peer: RawPeer; link: Link }> {
  const peer = await startRawPeer(Buffer.concat([frame(4, 0, 0), frame(4, 1, 0)]));
  cleanups.push(() => peer.close());
  const link = openLink(peer.port, { clock });
  cleanups.push(() => link.destroy());
  await readiness(link, true);
  return { peer, link };
}

/** A call whose HEADERS have arrived. */
async function arrived(peer: RawPeer, link: Link, id: number): Promise<TestCall & { isHeld(): boolean }> {
  const head = requestHead();
  const call = startCall(link, head);
  await peer.seen((seen) => seen.type === HEADERS && seen.streamId === id);
  return { ...call, isHeld: () => head.call.work > 0 };
}

const pings = (peer: RawPeer) => peer.frames.filter((seen) => seen.type === PING && seen.flags === 0);
const reset = (peer: RawPeer, id: number) => peer.seen((seen) => seen.type === RST_STREAM && seen.streamId === id);

/** Resolves when the client has sent its n-th PING; answers it. */
async function pong(peer: RawPeer, count: number): Promise<void> {
  await peer.seen(() => pings(peer).length === count);
  peer.send(frame(PING, 1, 0, pings(peer)[count - 1]?.payload));
}

/** All that was sent before has been read by the client, and it has answered. */
async function settled(peer: RawPeer, mark: number): Promise<void> {
  const opaque = Buffer.alloc(8, mark);
  peer.send(frame(PING, 0, 0, opaque));
  await peer.seen((seen) => seen.type === PING && seen.flags === 1 && seen.payload.equals(opaque));
}

describe('the work of a call that was cancelled', () => {
  test('counts until a PING behind its RST_STREAM is answered; one PING speaks for a whole turn', async () => {
    const { peer, link } = await open();
    const calls = [await arrived(peer, link, 1), await arrived(peer, link, 3), await arrived(peer, link, 5)];
    for (const call of calls) call.body.cancel('caller-gone');
    await peer.seen((seen) => seen.type === PING);
    expect(peer.frames.slice(-4).map((seen) => seen.type)).toEqual([RST_STREAM, RST_STREAM, RST_STREAM, PING]);
    expect(calls.map((call) => call.isHeld())).toEqual([true, true, true]);
    await settled(peer, 1);
    expect(calls.map((call) => call.isHeld())).toEqual([true, true, true]);
    await pong(peer, 1);
    await settled(peer, 2);
    expect(calls.map((call) => call.isHeld())).toEqual([false, false, false]);
    expect(pings(peer)).toHaveLength(1);
  });

  test('a foreign answer to a PING releases nothing', async () => {
    const { peer, link } = await open();
    const call = await arrived(peer, link, 1);
    call.body.cancel('deadline');
    await peer.seen((seen) => seen.type === PING);
    peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    await settled(peer, 1);
    expect(call.isHeld()).toBe(true);
  });

  test('resets while a PING is under way wait for the next', async () => {
    const { peer, link } = await open();
    const first = await arrived(peer, link, 1);
    const second = await arrived(peer, link, 3);
    first.body.cancel('caller-gone');
    await peer.seen((seen) => seen.type === PING);
    second.body.cancel('caller-gone');
    await reset(peer, 3);
    expect(pings(peer)).toHaveLength(1);
    await pong(peer, 1);
    await pong(peer, 2);
    await settled(peer, 1);
    expect([first.isHeld(), second.isHeld()]).toEqual([false, false]);
  });

  test('ends with the connection', async () => {
    const { peer, link } = await open();
    const call = await arrived(peer, link, 1);
    call.body.cancel('caller-gone');
    await peer.seen((seen) => seen.type === PING);
    expect(call.isHeld()).toBe(true);
    (await peer.socket()).destroy();
    await readiness(link, false);
    expect(call.isHeld()).toBe(false);
  });

  test('at most 2 PINGs go out between answers of calls; then 10 s are enough', async () => {
    const clock = createVirtualClock();
    const { peer, link } = await open(clock);
    const calls: (TestCall & { isHeld(): boolean })[] = [];
    for (let i = 0; i < 4; i++) calls.push(await arrived(peer, link, 2 * i + 1));
    const cancel = async (at: number) => {
      calls[at]?.body.cancel('caller-gone');
      await reset(peer, 2 * at + 1);
      clock.advance(25);
    };
    await cancel(0);
    await pong(peer, 1);
    await settled(peer, 1);
    await cancel(1);
    await pong(peer, 2);
    await settled(peer, 2);
    await cancel(2);
    await settled(peer, 3);
    expect(pings(peer)).toHaveLength(2);
    expect(calls.map((call) => call.isHeld())).toEqual([false, false, true, false]);
    clock.advance(9000);
    await cancel(3);
    await settled(peer, 4);
    clock.advance(1000);
    expect(calls.map((call) => call.isHeld())).toEqual([false, false, false, true]);
    // An answer of any call pays for further PINGs.
    const other = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 9);
    peer.send(frame(HEADERS, ENDED, 9, OK));
    await other.done;
    await pong(peer, 3);
    await settled(peer, 5);
    expect(calls.map((call) => call.isHeld())).toEqual([false, false, false, false]);
    link.destroy();
    expect(clock.pending()).toBe(0);
  });

  test('a peer that does not answer a PING for 20 s is dead', async () => {
    const clock = createVirtualClock();
    const { peer, link } = await open(clock);
    const cancelled = await arrived(peer, link, 1);
    const other = await arrived(peer, link, 3);
    cancelled.body.cancel('caller-gone');
    await peer.seen((seen) => seen.type === PING);
    clock.advance(19_999);
    expect(other.record.ends).toBe(0);
    clock.advance(1);
    expect((await other.done).error).toMatchObject({ processed: 'maybe' });
    expect(other.record.error?.message).toMatch(/PING within 20 s/);
    expect(cancelled.isHeld()).toBe(false);
  });

  test('calls that ended, or were never sent, hold nothing', async () => {
    const { peer, link } = await open();
    const call = await arrived(peer, link, 1);
    peer.send(frame(HEADERS, ENDED, 1, OK));
    await call.done;
    call.body.cancel('caller-gone');
    expect(call.isHeld()).toBe(false);
    const head = requestHead();
    startCall(link, head).body.cancel('caller-gone');
    expect(head.call.work).toBe(0);
  });
});

describe('servers that bound PINGs', () => {
  const hang: Service = (head, reply) => ({
    write() {},
    end() {
      if (head.path !== '/hang') reply.end(['grpc-status', '0']);
    },
    cancel() {},
    grant() {},
  });

  async function startOurs(): Promise<number> {
    // Resets have a bound of their own, which is not what is tried here.
    const limits = { resetBurst: 1_000_000, pingsPerSecond: 25 };
    const server = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service: hang, limits });
    cleanups.push(() => server.close(0));
    return server.port;
  }

  async function startNodes(): Promise<number> {
    const server = await startNodeServer((stream, headers) => {
      if (headers[':path'] !== '/hang') echo(stream);
    });
    cleanups.push(() => server.close());
    return server.port;
  }

  test.each([
    ['ours', startOurs],
    ['of node:http2', startNodes],
  ])('%s takes no offence at 800 cancelled calls', async (_name, start) => {
    const link = openLink(await start(), { maxConnections: 1 });
    cleanups.push(() => link.destroy());
    await unary(link);
    const changes: boolean[] = [];
    link.onReadyChange((ready) => changes.push(ready));
    const heads: RequestHead[] = [];
    const cancelSome = async () => {
      const calls = Array.from({ length: 10 }, () => {
        const head = requestHead('/hang');
        heads.push(head);
        return startCall(link, head);
      });
      await nextTurn();
      for (const call of calls) call.body.cancel('caller-gone');
    };
    for (let round = 0; round < 40; round++) {
      // Two PINGs between two answers: as many as are ever sent.
      await cancelSome();
      while (heads.some((head) => head.call.work > 0)) await nextTurn();
      await cancelSome();
      expect((await unary(link)).error).toBeUndefined();
    }
    while (heads.some((head) => head.call.work > 0)) expect((await unary(link)).error).toBeUndefined();
    expect(changes).toEqual([]);
  });
});

describe('a call cancelled in the turn it was opened', () => {
  const framesOfCalls = (peer: RawPeer) => peer.frames.filter((seen) => seen.streamId !== 0);

  test('never leaves, with its DATA', async () => {
    const { peer, link } = await open();
    for (let i = 0; i < 300; i++) {
      const call = startCall(link);
      call.body.write(Buffer.alloc(1000));
      if (i % 2 === 0) call.body.end();
      call.body.cancel('caller-gone');
      expect(call.record.ends).toBe(0);
    }
    const call = startCall(link);
    call.body.write(Buffer.from('hello'));
    call.body.end();
    const data = await peer.seen((seen) => seen.type === DATA);
    expect(String(data?.payload)).toBe('hello');
    const frames = framesOfCalls(peer);
    expect(frames.map((seen) => seen.type)).toEqual([HEADERS, DATA]);
    // The size of the dynamic table is told by the first block that leaves.
    expect(frames[0]?.payload[0]).toBe(0x20);
    peer.send(frame(HEADERS, ENDED, data?.streamId ?? 0, OK));
    expect((await call.done).error).toBeUndefined();
  });

  test('is cut out between others, whose frames and ends stay', async () => {
    const { peer, link } = await open();
    const calls = Array.from({ length: 60 }, (_, i) => {
      const call = startCall(link);
      call.body.write(Buffer.from(`body ${i}`));
      return call;
    });
    calls.forEach((call, i) => {
      if (i % 3 !== 0) call.body.cancel('caller-gone');
      else call.body.write(Buffer.from('!'));
    });
    for (const call of calls) call.body.end();
    await peer.seen((seen) => seen.type === DATA && seen.streamId === 115);
    await settled(peer, 1);
    const kept = new Set(framesOfCalls(peer).map((seen) => seen.streamId));
    expect([...kept]).toEqual(Array.from({ length: 20 }, (_, i) => 6 * i + 1));
    for (const id of kept) {
      const body = framesOfCalls(peer).filter((seen) => seen.streamId === id && seen.type === DATA);
      expect(Buffer.concat(body.map((seen) => seen.payload)).toString()).toBe(`body ${(id - 1) / 2}!`);
      expect(body.at(-1)?.flags).toBe(1);
      peer.send(frame(HEADERS, ENDED, id, OK));
    }
    await Promise.all(calls.filter((_, i) => i % 3 === 0).map((call) => call.done));
    expect(peer.frames.some((seen) => seen.type === RST_STREAM)).toBe(false);
  });

  test('gives its share of the connection window back', async () => {
    const { peer, link } = await open();
    for (let i = 0; i < 20; i++) {
      const call = startCall(link);
      call.body.write(Buffer.alloc(60_000));
      call.body.cancel('caller-gone');
    }
    const call = startCall(link);
    call.body.write(Buffer.alloc(65_535));
    call.body.end();
    await peer.seen((seen) => seen.type === DATA && (seen.flags & 1) === 1);
    const data = peer.frames.filter((seen) => seen.type === DATA);
    expect(data.reduce((sum, seen) => sum + seen.payload.length, 0)).toBe(65_535);
  });

  test('with a head of several frames leaves none of them', async () => {
    const { peer, link } = await open();
    startCall(link, requestHead('/a.B/C', ['x-long', 'v'.repeat(40_000)])).body.cancel('caller-gone');
    const call = startCall(link);
    call.body.end();
    await peer.seen((seen) => seen.type === HEADERS);
    await settled(peer, 1);
    expect(framesOfCalls(peer)).toHaveLength(1);
  });

  test('one turn later it is reset', async () => {
    const { peer, link } = await open();
    const call = startCall(link);
    await nextTurn();
    call.body.cancel('caller-gone');
    await reset(peer, 1);
    expect(framesOfCalls(peer).map((seen) => seen.type)).toEqual([HEADERS, RST_STREAM]);
  });

  test('a real server never hears of it, and serves the others', async () => {
    let heard = 0;
    const server = await startNodeServer((stream) => {
      heard += 1;
      echo(stream);
    });
    cleanups.push(() => server.close());
    const link = openLink(server.port);
    cleanups.push(() => link.destroy());
    await unary(link);
    for (let round = 0; round < 20; round++) {
      const all = Array.from({ length: 20 }, () => startCall(link));
      const good = unary(link, Buffer.alloc(30_000, round));
      for (const call of all) call.body.cancel('caller-gone');
      expect(await good).toMatchObject({ bytes: 30_000, error: undefined, trailers: ['grpc-status', '0'] });
    }
    expect(heard).toBe(21);
  });
});
