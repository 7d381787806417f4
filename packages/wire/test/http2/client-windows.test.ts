import {
  createVirtualClock,
  type Body,
  type CallError,
  type Fields,
  type Link,
  type VirtualClock,
} from '@bascule/core';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Http2Limits } from '../../src/http2/limits.ts';
import { frame, openLink, readiness, requestHead, startRawPeer, type RawPeer } from './support.ts';

const DATA = 0;
const HEADERS = 1;
const PING = 6;
const WINDOW_UPDATE = 8;
const GREETING = Buffer.concat([frame(4, 0, 0), frame(4, 1, 0)]);
const HEAD = (id: number) => frame(HEADERS, 4, id, Buffer.from([0x88]));

let peer: RawPeer;
let link: Link;
let clock: VirtualClock;

beforeEach(async () => {
  peer = await startRawPeer(GREETING);
  clock = createVirtualClock();
});

afterEach(async () => {
  link.destroy();
  await peer.close();
});

async function open(limits: Partial<Http2Limits> = {}): Promise<void> {
  link = openLink(peer.port, { clock, limits });
  await readiness(link, true);
}

/** A reader that counts, and gives back only what it is told to. */
interface Reader {
  readonly body: Body;
  chunks: Buffer[];
  count: number;
  trailers: Fields | undefined;
  error: CallError | undefined;
  grantsAll: boolean;
}

async function read(id: number): Promise<Reader> {
  let body: Body | undefined;
  const reader: Omit<Reader, 'body'> = {
    chunks: [],
    count: 0,
    trailers: undefined,
    error: undefined,
    grantsAll: true,
  };
  body = link.service(requestHead(), {
    head() {},
    write(bytes) {
      reader.chunks.push(Buffer.from(bytes));
      reader.count += bytes.length;
      if (reader.grantsAll) body?.grant(bytes.length);
    },
    end: (trailers) => void (reader.trailers = trailers),
    fail: (error) => void (reader.error = error),
    grant() {},
  });
  body.end();
  await peer.seen((seen) => seen.type === HEADERS && seen.streamId === id);
  peer.send(HEAD(id));
  return Object.assign(reader, { body });
}

let marks = 0;
/** All that was sent before has been read by the client, and it has answered. */
async function settled(): Promise<void> {
  const opaque = Buffer.alloc(8, (marks += 1));
  peer.send(frame(PING, 0, 0, opaque));
  await peer.seen((seen) => seen.type === PING && seen.flags === 1 && seen.payload.equals(opaque));
}

/** What the peer may still send on a stream. */
function window(id: number): number {
  const sum = (type: number, of: (payload: Buffer) => number) =>
    peer.frames
      .filter((seen) => seen.type === type && seen.streamId === id)
      .reduce((total, { payload }) => total + of(payload), 0);
  return 65_535 + sum(WINDOW_UPDATE, (payload) => payload.readUInt32BE(0)) - (sent.get(id) ?? 0);
}

let sent = new Map<number, number>();
beforeEach(() => {
  sent = new Map();
});

/** Sends as much as the window allows; each byte tells its place. */
async function fill(id: number, maxBytes = Infinity): Promise<void> {
  for (let left = Math.min(window(id), maxBytes); left > 0;) {
    const from = sent.get(id) ?? 0;
    const part = Buffer.alloc(Math.min(left, 16_384));
    for (let i = 0; i < part.length; i++) part[i] = (from + i) % 251;
    peer.send(frame(DATA, 0, id, part));
    sent.set(id, from + part.length);
    left -= part.length;
  }
  await settled();
}

function checkBytes(reader: Reader): void {
  const bytes = Buffer.concat(reader.chunks);
  expect(bytes.findIndex((byte, i) => byte !== i % 251)).toBe(-1);
}

describe('the window of a response', () => {
  test('grows while its reader keeps up, to its bound', async () => {
    await open({ maxStreamWindowBytes: 300_000 });
    const reader = await read(1);
    for (let i = 0; i < 24; i++) await fill(1);
    expect(window(1)).toBe(300_000);
    expect(reader.count).toBe(sent.get(1));
    checkBytes(reader);
  });

  test('does not grow while the reader is slower than the path', async () => {
    await open();
    const reader = await read(1);
    for (let i = 0; i < 12; i++) {
      clock.advance(1000);
      await fill(1, 30_000);
    }
    expect(window(1)).toBeLessThanOrEqual(65_535);
    expect(reader.count).toBe(sent.get(1));
  });

  test('grows for all calls of a connection together by what the connection may', async () => {
    await open({ connectionWindowBytes: 200_000 });
    await read(1);
    await read(3);
    // In parts that the window of the connection takes.
    for (let i = 0; i < 16; i++) {
      await fill(1, 60_000);
      await fill(3, 60_000);
    }
    await fill(1);
    await fill(3);
    // Up to half of a window is not announced yet.
    expect(window(1) + window(3)).toBeGreaterThan(200_000);
    expect(window(1) + window(3)).toBeLessThanOrEqual(2 * 65_535 + 200_000);
  });
});

describe('what came within a window but beyond the credit of the caller', () => {
  async function grown(): Promise<Reader> {
    await open({ maxStreamWindowBytes: 300_000 });
    const reader = await read(1);
    for (let i = 0; i < 12; i++) await fill(1);
    reader.grantsAll = false;
    return reader;
  }

  test('waits for credit, and so does the end', async () => {
    const reader = await grown();
    const before = reader.count;
    await fill(1);
    peer.send(frame(DATA, 1, 1));
    await settled();
    expect(reader.count - before).toBe(65_535);
    expect(reader.trailers).toBeUndefined();
    reader.body.grant(1);
    expect(reader.count - before).toBe(65_536);
    reader.grantsAll = true;
    // Grants that are made inside of `write` do not let bytes overtake each other.
    reader.body.grant(1000);
    expect(reader.count).toBe(sent.get(1));
    expect(reader.trailers).toEqual([]);
    checkBytes(reader);
  });

  test('is dropped by a cancel, also after the stream has ended', async () => {
    const reader = await grown();
    await fill(1);
    const before = reader.count;
    peer.send(frame(DATA, 1, 1));
    await settled();
    reader.body.cancel('caller-gone');
    reader.body.grant(500_000);
    await nextTurn();
    expect(reader.count).toBe(before);
    expect(reader).toMatchObject({ trailers: undefined, error: undefined });
    expect(peer.frames.some((seen) => seen.type === 3)).toBe(false);
  });

  test('outlives the connection when the response is whole', async () => {
    const reader = await grown();
    await fill(1);
    peer.send(frame(DATA, 1, 1));
    await settled();
    (await peer.socket()).destroy();
    await readiness(link, false);
    expect(reader.error).toBeUndefined();
    reader.body.grant(500_000);
    expect(reader.count).toBe(sent.get(1));
    expect(reader.trailers).toEqual([]);
  });

  test('ends with the connection when the response is not whole', async () => {
    const reader = await grown();
    await fill(1);
    const before = reader.count;
    (await peer.socket()).destroy();
    await readiness(link, false);
    expect(reader.error).toMatchObject({ processed: 'maybe' });
    reader.body.grant(500_000);
    expect(reader.count).toBe(before);
  });
});
