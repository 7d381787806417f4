import { Code, createVirtualClock, type Link, type VirtualClock } from '@bascule/core';
import { afterEach, describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import { frame, readiness, requestHead, startCall, startRawPeer, uint32, type RawPeer } from './support.ts';

const HEADERS = 1;
const PING = 6;
const GOAWAY = 7;
const OK = Buffer.from([0x88]);
const SETTINGS = frame(4, 0, 0);
const ACKNOWLEDGED = frame(4, 1, 0);
const ENDED = 5;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Pair {
  readonly peer: RawPeer;
  readonly link: Link;
  readonly clock: VirtualClock;
}

async function open(options: { greeting?: Buffer; keepaliveMs?: number } = {}): Promise<Pair> {
  const peer = await startRawPeer(options.greeting ?? Buffer.concat([SETTINGS, ACKNOWLEDGED]));
  cleanups.push(() => peer.close());
  const clock = createVirtualClock();
  const keepaliveMs = options.keepaliveMs ?? 0;
  const link = createHttp2Link({ host: '127.0.0.1', port: peer.port, clock, keepaliveMs });
  cleanups.push(() => link.destroy());
  await readiness(link, true);
  await settled(peer, 0);
  return { peer, link, clock };
}

/** All that was sent before has been read by the client, and it has answered. */
async function settled(peer: RawPeer, mark: number): Promise<void> {
  const opaque = Buffer.alloc(8, mark);
  peer.send(frame(PING, 0, 0, opaque));
  await peer.seen((seen) => seen.type === PING && seen.flags === 1 && seen.payload.equals(opaque));
}

const pings = (peer: RawPeer) => peer.frames.filter((seen) => seen.type === PING && seen.flags === 0);

describe('our SETTINGS', () => {
  test('must be acknowledged within 10 s', async () => {
    const { peer, link, clock } = await open({ greeting: SETTINGS });
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    clock.advance(9_999);
    expect(call.record.ends).toBe(0);
    clock.advance(1);
    expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    expect(call.record.error?.message).toMatch(/did not acknowledge SETTINGS within 10000 ms/);
    const goaway = await peer.seen((seen) => seen.type === GOAWAY);
    expect(goaway?.payload.readUInt32BE(4)).toBe(ErrorCode.settingsTimeout);
  });

  test('once acknowledged, nothing is on the clock', async () => {
    const { link, clock } = await open();
    expect(clock.pending()).toBe(0);
    clock.advance(60_000);
    expect(link.isReady()).toBe(true);
  });
});

describe("the peer's SETTINGS_MAX_HEADER_LIST_SIZE", () => {
  const limited = (bytes: number) =>
    Buffer.concat([frame(4, 0, 0, Buffer.concat([Buffer.from([0, 6]), uint32(bytes)])), ACKNOWLEDGED]);
  // By RFC 9113, 6.5.2: name, value and 32 of each.
  const size = (fields: readonly string[]) => fields.join('').length + (fields.length / 2) * 32;
  const head = requestHead();
  const pseudo = [':method', head.method, ':scheme', head.scheme, ':path', head.path, ':authority', head.authority];
  const whole = size(pseudo) + size(head.fields);

  test.each([
    ['as large as allowed', 0, true],
    ['one byte larger', 1, false],
  ])('a head %s', async (_name, extra, fits) => {
    const { peer, link } = await open({ greeting: limited(whole + 2032 + 4) });
    const call = startCall(link, requestHead(head.path, ['long', 'v'.repeat(2000 + extra)]));
    const next = startCall(link);
    next.body.end();
    await peer.seen((seen) => seen.type === HEADERS && (seen.flags & 1) === 1);
    expect(peer.frames.filter((seen) => seen.type === HEADERS)).toHaveLength(fits ? 2 : 1);
    if (fits) return;
    expect((await call.done).error).toMatchObject({ code: Code.resourceExhausted, processed: 'never-sent' });
    const allowed = whole + 2036;
    expect(call.record.error?.message).toContain(`count ${allowed + 1} bytes, and the backend allows ${allowed}`);
  });

  test('fields that are not forwarded do not count', async () => {
    const { peer, link } = await open({ greeting: limited(whole) });
    startCall(link, requestHead(head.path, ['connection', 'x'.repeat(500), 'te', 'gzip'])).body.end();
    expect(await peer.seen((seen) => seen.type === HEADERS)).toBeDefined();
  });

  test('Huffman coding of a path hides nothing', async () => {
    const { link } = await open({ greeting: limited(4000) });
    const call = startCall(link, requestHead(`/${'e'.repeat(4000)}`));
    expect((await call.done).error?.code).toBe(Code.resourceExhausted);
  });
});

describe('keepalive', () => {
  test('asks a silent peer while calls are open, and gives it up 20 s later', async () => {
    const { peer, link, clock } = await open({ keepaliveMs: 10_000 });
    clock.advance(60_000);
    await settled(peer, 1);
    expect(pings(peer)).toHaveLength(0);
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    clock.advance(9_999);
    await settled(peer, 2);
    expect(pings(peer)).toHaveLength(0);
    // The mark was a sign of life: silence is counted from there.
    clock.advance(9_999);
    await settled(peer, 3);
    expect(pings(peer)).toHaveLength(0);
    clock.advance(10_000);
    await peer.seen(() => pings(peer).length === 1);
    clock.advance(19_999);
    expect(call.record.ends).toBe(0);
    clock.advance(1);
    expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
    expect(call.record.error?.message).toMatch(/PING within 20 s/);
  });

  test('goes on after an answer, and ends with the last call', async () => {
    const { peer, link, clock } = await open({ keepaliveMs: 10_000 });
    const call = startCall(link);
    call.body.end();
    await peer.seen((seen) => seen.type === HEADERS);
    for (const count of [1, 2, 3]) {
      clock.advance(10_000);
      await peer.seen(() => pings(peer).length === count);
      peer.send(frame(PING, 1, 0, pings(peer)[count - 1]?.payload));
      await settled(peer, count);
    }
    peer.send(frame(HEADERS, ENDED, 1, OK));
    await call.done;
    expect(clock.pending()).toBe(0);
  });

  test('stops at GOAWAY', async () => {
    const { peer, link, clock } = await open({ keepaliveMs: 10_000 });
    const call = startCall(link);
    await peer.seen((seen) => seen.type === HEADERS);
    peer.send(frame(GOAWAY, 0, 0, uint32(1, 0)));
    await settled(peer, 1);
    clock.advance(60_000);
    await settled(peer, 2);
    expect(pings(peer)).toHaveLength(0);
    expect(call.record.ends).toBe(0);
  });

  test.each([1, 9_999, -1, Number.NaN])('%s ms is refused', (keepaliveMs) => {
    const clock = createVirtualClock();
    expect(() => createHttp2Link({ host: '127.0.0.1', port: 1, clock, keepaliveMs })).toThrow(
      `keepaliveMs is ${keepaliveMs}; give 0 (off) or at least 10000`,
    );
    expect(clock.pending()).toBe(0);
  });
});
