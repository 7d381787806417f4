import { setImmediate as nextTurn } from 'node:timers/promises';
import { Code, createVirtualClock, type Link } from '@bascule/core';
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
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
  upload,
  type RawPeer,
} from './support.ts';

const HEADERS = 1;
const RST_STREAM = 3;
const PING = 6;
const GOAWAY = 7;
const OK = Buffer.from([0x88]);
const HEAD = frame(HEADERS, 4, 1, OK);
const ENDED = 5;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function track(link: Link): Link {
  cleanups.push(() => link.destroy());
  return link;
}

/** SETTINGS with one value, and the acknowledgement of the client's. */
function greeting(id = 99, value = 0): Buffer {
  return Buffer.concat([frame(4, 0, 0, Buffer.concat([Buffer.from([0, id]), uint32(value)])), frame(4, 1, 0)]);
}

async function rawPeer(first?: Uint8Array): Promise<RawPeer> {
  const peer = await startRawPeer(first ?? greeting());
  cleanups.push(() => peer.close());
  return peer;
}

function status(value: string): Buffer {
  return Buffer.concat([Buffer.from([0x08, value.length]), Buffer.from(value)]);
}

const headsOf = (peer: RawPeer) => peer.frames.filter((seen) => seen.type === HEADERS);

describe('statuses that nobody should send', () => {
  test.each([
    ['100 and nothing else', frame(HEADERS, ENDED, 1, status('100')), Code.internal],
    ['199 and nothing else', frame(HEADERS, ENDED, 1, status('199')), Code.internal],
    ['101', frame(HEADERS, 4, 1, status('101')), Code.internal],
    ['none', frame(HEADERS, ENDED, 1, Buffer.from([0, 1, 0x61, 1, 0x62])), Code.internal],
  ])('%s', async (_name, bytes, code) => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port));
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(bytes);
    expect((await call.done).error?.code).toBe(code);
    expect(call.record).toMatchObject({ ends: 1, head: undefined });
    expect(link.isReady()).toBe(true);
  });

  test.each(['100', '103', '199'])('%s before the answer is passed over', async (value) => {
    const peer = await rawPeer();
    const call = startCall(track(openLink(peer.port)));
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(Buffer.concat([frame(HEADERS, 4, 1, status(value)), frame(HEADERS, ENDED, 1, OK)]));
    expect((await call.done).head?.status).toBe(200);
  });

  test.each(['600', '800', '999'])('%s reaches the caller as it is', async (value) => {
    const peer = await rawPeer();
    const call = startCall(track(openLink(peer.port)));
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(frame(HEADERS, ENDED, 1, status(value)));
    expect((await call.done).head?.status).toBe(Number(value));
  });
});

describe('RST_STREAM', () => {
  const reset = (code: number) => frame(RST_STREAM, 0, 1, uint32(code));
  const data = frame(0, 0, 1, Buffer.from('part'));

  test.each([
    ['REFUSED_STREAM before an answer', [reset(ErrorCode.refusedStream)], Code.unavailable, 'refused', 0],
    ['REFUSED_STREAM after the head', [HEAD, reset(ErrorCode.refusedStream)], Code.unavailable, 'maybe', 0],
    ['after the head', [HEAD, reset(ErrorCode.noError)], Code.internal, 'maybe', 0],
    ['during data', [HEAD, data, reset(ErrorCode.noError)], Code.internal, 'maybe', 4],
    ['after data', [HEAD, data, data, reset(ErrorCode.cancel)], Code.canceled, 'maybe', 8],
    ['ENHANCE_YOUR_CALM', [reset(ErrorCode.enhanceYourCalm)], Code.resourceExhausted, 'maybe', 0],
    ['an unknown code', [reset(0xffff_ffff)], Code.internal, 'maybe', 0],
  ] as const)('%s', async (_name, frames, code, processed, bytes) => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port));
    const call = startCall(link);
    call.body.write(Buffer.from('hello'));
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(Buffer.concat(frames));
    expect((await call.done).error).toMatchObject({ code, processed });
    expect(call.record).toMatchObject({ bytes, ends: 1, trailers: undefined });
    // Nothing more is sent for it, and the next call is fine.
    call.body.write(Buffer.from('late'));
    call.body.end();
    const next = startCall(link);
    next.body.end();
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 3);
    peer.send(frame(HEADERS, ENDED, 3, OK));
    expect((await next.done).error).toBeUndefined();
    expect(peer.frames.filter((seen) => seen.streamId === 1).map((seen) => seen.type)).toEqual([HEADERS, 0]);
  });
});

describe('GOAWAY', () => {
  test('ENHANCE_YOUR_CALM: above the last id is refused, the others may have run', async () => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port));
    const calls = [startCall(link), startCall(link), startCall(link)];
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 5);
    const debug = Buffer.from('too_many_pings');
    peer.send(frame(GOAWAY, 0, 0, Buffer.concat([uint32(3, ErrorCode.enhanceYourCalm), debug])));
    expect((await calls[2]?.done)?.error).toMatchObject({ code: Code.unavailable, processed: 'refused' });
    expect(calls.map((call) => call.record.ends)).toEqual([0, 0, 1]);
    (await peer.socket()).destroy();
    for (const call of calls.slice(0, 2)) {
      expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
      expect(call.record.error?.message).toContain('ENHANCE_YOUR_CALM');
    }
  });

  test('before the first answer of a connection is no reason to wait with the next one', async () => {
    const peer = await rawPeer();
    const clock = createVirtualClock();
    const link = track(openLink(peer.port, { clock }));
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(frame(GOAWAY, 0, 0, uint32(1, 0)));
    await readiness(link, false);
    const next = startCall(link);
    peer.send(frame(HEADERS, ENDED, 1, OK));
    expect((await call.done).error).toBeUndefined();
    expect(next.record.ends).toBe(0);
  });

  test.each([5, 64])('in one phase every %s calls, under 64 callers', async (every) => {
    let executed = 0;
    const server = await startNodeServer((stream) => {
      executed += 1;
      echo(stream);
      if (executed % every === 0) stream.session?.close();
    });
    cleanups.push(() => server.close());
    const link = track(openLink(server.port));
    await readiness(link, true);
    let succeeded = 0;
    const run = async () => {
      for (let left = 10; left > 0;) {
        const { error } = await unary(link);
        if (error === undefined) {
          succeeded += 1;
          left -= 1;
          continue;
        }
        expect(error).toMatchObject({ code: Code.unavailable });
        expect(['refused', 'never-sent']).toContain(error.processed);
        await nextTurn();
      }
    };
    await Promise.all(Array.from({ length: 64 }, run));
    expect(succeeded).toBe(640);
    expect(executed).toBe(640);
  });
});

describe('SETTINGS_MAX_CONCURRENT_STREAMS', () => {
  test('of 1 sends one call after the other', async () => {
    const peer = await rawPeer(greeting(3, 1));
    const link = track(openLink(peer.port, { maxConnections: 1 }));
    const calls = [startCall(link), startCall(link), startCall(link)];
    for (const [i, call] of calls.entries()) {
      const id = 2 * i + 1;
      await peer.seen((seen) => seen.type === HEADERS && seen.streamId === id);
      expect(headsOf(peer)).toHaveLength(i + 1);
      peer.send(frame(HEADERS, ENDED, id, OK));
      expect((await call.done).error).toBeUndefined();
    }
  });

  test('of 0 makes calls wait until it is raised', async () => {
    const peer = await rawPeer(greeting(3, 0));
    const link = track(openLink(peer.port, { maxConnections: 1 }));
    const call = startCall(link);
    const cancelled = startCall(link);
    peer.send(frame(PING, 0, 0, Buffer.alloc(8)));
    await peer.seen((seen) => seen.type === PING);
    expect(headsOf(peer)).toHaveLength(0);
    cancelled.body.cancel('deadline');
    peer.send(greeting(3, 5).subarray(0, 15));
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(frame(HEADERS, ENDED, 1, OK));
    expect((await call.done).error).toBeUndefined();
    expect(headsOf(peer)).toHaveLength(1);
  });

  test('lowered below what is open stops new calls alone', async () => {
    const peer = await rawPeer();
    const link = track(openLink(peer.port, { maxConnections: 1 }));
    const open = [startCall(link), startCall(link)];
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 3);
    peer.send(greeting(3, 1).subarray(0, 15));
    await peer.seen((seen) => seen.type === 4 && seen.flags === 1 && peer.frames.indexOf(seen) > 3);
    const waiting = startCall(link);
    peer.send(frame(HEADERS, ENDED, 1, OK));
    await open[0]?.done;
    await nextTurn();
    expect(headsOf(peer)).toHaveLength(2);
    peer.send(frame(HEADERS, ENDED, 3, OK));
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 5);
    peer.send(frame(HEADERS, ENDED, 5, OK));
    expect((await waiting.done).error).toBeUndefined();
  });
});

describe('a backend that goes away', () => {
  test.each([
    ['in a frame header', HEAD.subarray(0, 5)],
    ['in HEADERS', frame(HEADERS, 4, 1, Buffer.alloc(50)).subarray(0, 20)],
    ['in a header block', frame(HEADERS, 0, 1, OK)],
    ['in DATA', Buffer.concat([HEAD, frame(0, 1, 1, Buffer.alloc(900)).subarray(0, 500)])],
  ])('%s', async (_name, bytes) => {
    const peer = await rawPeer();
    const clock = createVirtualClock();
    const link = openLink(peer.port, { clock });
    const calls = [startCall(link), startCall(link)];
    await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 3);
    const socket = await peer.socket();
    socket.end(bytes);
    for (const call of calls) {
      expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
      expect(call.record).toMatchObject({ ends: 1, bytes: 0 });
    }
    link.destroy();
    await link.close();
    expect(clock.pending()).toBe(0);
  });

  test('that stops reading is found by the PING of a cancelled call, and what waits is bounded', async () => {
    const wide = Buffer.concat([greeting(4, 0x7fff_ffff), frame(8, 0, 0, uint32(0x7fff_ffff - 65_535))]);
    const peer = await rawPeer(wide);
    const clock = createVirtualClock();
    const link = openLink(peer.port, { clock, maxConnections: 1 });
    await readiness(link, true);
    (await peer.socket()).pause();
    const message = Buffer.alloc(2_000_000);
    const calls = Array.from({ length: 10 }, () => {
      const call = startCall(link);
      upload(call, message);
      return call;
    });
    const granted = () => calls.reduce((sum, call) => sum + call.record.granted, 0);
    for (let last = -1; last !== granted();) {
      last = granted();
      for (let i = 0; i < 200; i++) await nextTurn();
    }
    expect(granted()).toBeLessThan(10 * message.length);
    // Stalled: a new call waits instead of adding to it.
    const waiting = startCall(link);
    calls[0]?.body.cancel('deadline');
    await nextTurn();
    await nextTurn();
    clock.advance(20_000);
    for (const call of calls.slice(1)) {
      expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    }
    expect(waiting.record.error?.processed ?? 'never-sent').toBe('never-sent');
    link.destroy();
    await link.close();
    expect(clock.pending()).toBe(0);
  });
});

test('a head that HTTP/2 cannot carry uses up no stream', async () => {
  const peer = await rawPeer();
  const link = track(openLink(peer.port));
  await readiness(link, true);
  const broken = startCall(link, requestHead('/a b'));
  expect((await broken.done).error).toMatchObject({ code: Code.internal, processed: 'never-sent' });
  const next = startCall(link);
  await peer.seen((seen) => seen.type === HEADERS && seen.streamId === 1);
  peer.send(frame(HEADERS, ENDED, 1, OK));
  expect((await next.done).error).toBeUndefined();
});
