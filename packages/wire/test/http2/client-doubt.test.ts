import { Code, createVirtualClock, type Idempotency, type Link, type VirtualClock } from '@bascule/core';
import { afterEach, expect, test } from 'vitest';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import { frame, readiness, requestHead, startCall, startRawPeer, type RawPeer } from './support.ts';

const DATA = 0;
const END_STREAM = 1;
const HEADERS = 1;
const RST_STREAM = 3;
const PING = 6;
const OK = Buffer.from([0x88]);
const GREETING = Buffer.concat([frame(4, 0, 0), frame(4, 1, 0)]);
const ENDED = 5;
const OPEN = 4;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A link that doubts after 1 s, beside a peer that speaks only when told to. */
async function open(): Promise<{ peer: RawPeer; link: Link; clock: VirtualClock; ready: boolean[] }> {
  const peer = await startRawPeer(GREETING);
  cleanups.push(() => peer.close());
  const clock = createVirtualClock();
  const link = createHttp2Link({ host: '127.0.0.1', port: peer.port, clock, silenceMs: 1_000 });
  cleanups.push(() => link.destroy());
  await readiness(link, true);
  const ready: boolean[] = [];
  link.onReadyChange((is) => void ready.push(is));
  return { peer, link, clock, ready };
}

const asked = (peer: RawPeer) => peer.frames.filter((seen) => seen.type === PING && seen.flags === 0);

/** A call that another endpoint could take, or not. */
function callOf(idempotency: Idempotency, elsewhere: boolean) {
  const head = requestHead();
  head.call.method = { service: 'demo.Echo', method: 'Call', kind: 'unary', idempotency };
  head.call.elsewhere = () => elsewhere;
  return head;
}

test('a peer that stands still gets no new calls, and gives up those that others can take', async () => {
  const { peer, link, clock, ready } = await open();
  const movable = startCall(link, callOf('idempotent', true));
  const onlyHere = startCall(link, callOf('no_side_effects', false));
  const notTwice = startCall(link, callOf('unknown', true));
  const begun = startCall(link, callOf('no_side_effects', true));
  await peer.seen(({ type, streamId }) => type === HEADERS && streamId === 7);
  peer.send(frame(HEADERS, OPEN, 7, OK));
  await begun.answered;
  clock.advance(999);
  expect(asked(peer)).toHaveLength(0);
  clock.advance(1);
  await peer.seen(() => asked(peer).length === 1);
  clock.advance(999);
  expect([ready, movable.record.ends]).toEqual([[], 0]);
  clock.advance(1);
  expect(ready).toEqual([false]);
  expect(link.isReady()).toBe(false);
  expect(link.problem?.()).toMatch(/not even a PING/);
  expect((await movable.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
  await peer.seen(({ type, streamId }) => type === RST_STREAM && streamId === 1);
  expect([onlyHere.record.ends, notTwice.record.ends, begun.record.ends]).toEqual([0, 0, 0]);

  // It goes on: whatever it says is a sign of life, and the calls that waited are answered.
  peer.send(frame(PING, 1, 0, asked(peer)[0]?.payload));
  for (const stream of [3, 5]) peer.send(frame(HEADERS, ENDED, stream, OK));
  peer.send(frame(DATA, END_STREAM, 7));
  for (const call of [onlyHere, notTwice, begun]) expect((await call.done).error).toBeUndefined();
  expect(ready).toEqual([false, true]);
  expect(clock.pending()).toBe(0);
});

test('a slow peer that answers PINGs is asked once between two of its answers', async () => {
  const { peer, link, clock, ready } = await open();
  const slow = startCall(link, callOf('idempotent', true));
  await peer.seen(({ type }) => type === HEADERS);
  clock.advance(1_000);
  await peer.seen(() => asked(peer).length === 1);
  peer.send(frame(PING, 1, 0, asked(peer)[0]?.payload));
  const mark = Buffer.alloc(8, 9);
  peer.send(frame(PING, 0, 0, mark));
  await peer.seen((seen) => seen.type === PING && seen.flags === 1 && seen.payload.equals(mark));
  for (let i = 0; i < 30; i++) clock.advance(1_000);
  expect([asked(peer).length, slow.record.ends, ready]).toEqual([1, 0, []]);
  peer.send(frame(HEADERS, OPEN, 1, OK));
  await slow.answered;
  clock.advance(2_000);
  await peer.seen(() => asked(peer).length === 2);
});

test('a peer that stays silent is given up 20 s after it was asked', async () => {
  const { peer, link, clock } = await open();
  const call = startCall(link, callOf('unknown', true));
  await peer.seen(({ type }) => type === HEADERS);
  clock.advance(1_000);
  await peer.seen(() => asked(peer).length === 1);
  clock.advance(19_999);
  expect(call.record.ends).toBe(0);
  clock.advance(1);
  expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
});

test('nobody is asked while no call is open', async () => {
  const { peer, link, clock } = await open();
  clock.advance(60_000);
  const call = startCall(link, callOf('idempotent', true));
  await peer.seen(({ type }) => type === HEADERS);
  peer.send(frame(HEADERS, ENDED, 1, OK));
  await call.done;
  clock.advance(60_000);
  expect([asked(peer).length, clock.pending(), link.isReady()]).toEqual([0, 0, true]);
});

test.each([99, -1, Number.NaN])('refuses a silence of %d ms', (silenceMs) => {
  expect(() => createHttp2Link({ host: '127.0.0.1', port: 1, clock: createVirtualClock(), silenceMs })).toThrow(
    `silenceMs is ${silenceMs}; give 0 (off) or at least 100`,
  );
});
