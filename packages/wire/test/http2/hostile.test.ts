import { Code } from '@bascule/core';
import { describe, expect, test } from 'vitest';
import { ErrorCode } from '../../src/http2/errors.ts';
import type { Http2Limits } from '../../src/http2/limits.ts';
import { frame, openLink, startCall, startRawPeer, uint32 } from './support.ts';

const GOAWAY = 7;
const RST_STREAM = 3;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;

function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.from([id >> 8, id & 255]), uint32(value)]);
}

/** Literal fields without Huffman. */
function block(...fields: string[]): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = Buffer.from(fields[i] as string, 'latin1');
    const value = Buffer.from(fields[i + 1] as string, 'latin1');
    parts.push(Buffer.from([0, name.length]), name);
    if (value.length < 127) parts.push(Buffer.from([value.length]), value);
    else parts.push(Buffer.from([127, ((value.length - 127) & 127) | 128, (value.length - 127) >> 7]), value);
  }
  return Buffer.concat(parts);
}

const OK = Buffer.from([0x88]);
const HEAD = frame(1, END_HEADERS, 1, OK);
function answer(...fields: string[]): Buffer {
  return frame(1, END_HEADERS, 1, block(...fields));
}
function times(count: number, bytes: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => bytes));
}

interface Row {
  name: string;
  /** Sent when the client's first call has arrived on stream 1. */
  bytes: Buffer;
  /** Error code of the client's GOAWAY, or of its RST_STREAM on stream 1. */
  goaway?: number;
  reset?: number;
  limits?: Partial<Http2Limits>;
  code?: number;
}

const { protocolError, frameSizeError, flowControlError, compressionError, enhanceYourCalm, streamClosed } = ErrorCode;

const ROWS: Row[] = [
  { name: 'DATA on stream 0', bytes: frame(0, 0, 0, OK), goaway: protocolError },
  { name: 'DATA on an idle stream', bytes: frame(0, 0, 9, OK), goaway: protocolError },
  { name: 'DATA on a stream of the server', bytes: frame(0, 0, 2, OK), goaway: protocolError },
  { name: 'DATA before HEADERS', bytes: frame(0, 0, 1, OK), reset: protocolError },
  { name: 'DATA with too much padding', bytes: frame(0, PADDED, 1, Buffer.from([5, 1, 1])), goaway: protocolError },
  { name: 'DATA padded without a length', bytes: frame(0, PADDED, 1), goaway: frameSizeError },
  {
    name: 'DATA after END_STREAM',
    bytes: Buffer.concat([HEAD, frame(0, END_STREAM, 1, OK), frame(0, 0, 1, OK)]),
    goaway: streamClosed,
    code: -1,
  },
  {
    name: 'HEADERS after END_STREAM',
    bytes: Buffer.concat([HEAD, frame(0, END_STREAM, 1, OK), HEAD]),
    goaway: streamClosed,
    code: -1,
  },
  {
    name: 'DATA after RST_STREAM',
    bytes: Buffer.concat([frame(3, 0, 1, uint32(7)), frame(0, 0, 1, OK)]),
    reset: streamClosed,
    code: Code.unavailable,
  },
  {
    name: 'DATA beyond the stream window',
    bytes: Buffer.concat([HEAD, times(5, frame(0, 0, 1, Buffer.alloc(16_384)))]),
    reset: flowControlError,
  },
  {
    name: 'DATA beyond the connection window',
    bytes: times(5, frame(0, 0, 1, Buffer.alloc(16_384))),
    limits: { connectionWindowBytes: 65_535 },
    goaway: flowControlError,
    code: Code.internal,
  },
  {
    name: 'empty DATA without end',
    bytes: Buffer.concat([HEAD, times(1001, frame(0, 0, 1))]),
    goaway: enhanceYourCalm,
  },
  { name: 'a frame above the maximum size', bytes: frame(0, 0, 1, Buffer.alloc(16_385)), goaway: frameSizeError },
  { name: 'HEADERS on stream 0', bytes: frame(1, END_HEADERS, 0, OK), goaway: protocolError },
  { name: 'HEADERS on an idle stream', bytes: frame(1, END_HEADERS, 7, OK), goaway: protocolError },
  {
    name: 'HEADERS with too much padding',
    bytes: frame(1, END_HEADERS | PADDED, 1, Buffer.from([9, 0x88])),
    goaway: protocolError,
  },
  {
    name: 'HEADERS with a cut priority',
    bytes: frame(1, END_HEADERS | 0x20, 1, Buffer.from([0, 0])),
    goaway: frameSizeError,
  },
  {
    name: 'a header block that is cut',
    bytes: frame(1, END_HEADERS, 1, Buffer.from([0x40])),
    goaway: compressionError,
  },
  {
    name: 'an index that is not there',
    bytes: frame(1, END_HEADERS, 1, Buffer.from([0xfe])),
    goaway: compressionError,
  },
  {
    name: 'a table larger than announced',
    bytes: frame(1, END_HEADERS, 1, Buffer.from([0x3f, 1, 0x88])),
    goaway: compressionError,
  },
  {
    name: 'a block interrupted by DATA',
    bytes: Buffer.concat([frame(1, 0, 1, OK), frame(0, 0, 1)]),
    goaway: protocolError,
  },
  {
    name: 'a block continued on another stream',
    bytes: Buffer.concat([frame(1, 0, 1, OK), frame(9, END_HEADERS, 3, OK)]),
    goaway: protocolError,
  },
  {
    name: 'a block interrupted by an unknown frame',
    bytes: Buffer.concat([frame(1, 0, 1, OK), frame(99, 0, 0)]),
    goaway: protocolError,
  },
  { name: 'CONTINUATION without HEADERS', bytes: frame(9, END_HEADERS, 1, OK), goaway: protocolError },
  {
    name: 'CONTINUATION without end',
    bytes: Buffer.concat([frame(1, 0, 1, OK), times(9, frame(9, 0, 1))]),
    goaway: enhanceYourCalm,
  },
  { name: 'PUSH_PROMISE', bytes: frame(5, END_HEADERS, 1, Buffer.from([0, 0, 0, 2, 0x88])), goaway: protocolError },
  { name: 'PRIORITY on stream 0', bytes: frame(2, 0, 0, Buffer.alloc(5)), goaway: protocolError },
  { name: 'PRIORITY of a wrong length', bytes: frame(2, 0, 1, Buffer.alloc(4)), goaway: frameSizeError },
  { name: 'RST_STREAM on stream 0', bytes: frame(3, 0, 0, uint32(0)), goaway: protocolError },
  { name: 'RST_STREAM on an idle stream', bytes: frame(3, 0, 5, uint32(0)), goaway: protocolError },
  { name: 'RST_STREAM of a wrong length', bytes: frame(3, 0, 1, Buffer.alloc(3)), goaway: frameSizeError },
  { name: 'SETTINGS on a stream', bytes: frame(4, 0, 1), goaway: protocolError },
  { name: 'SETTINGS of a wrong length', bytes: frame(4, 0, 0, Buffer.alloc(5)), goaway: frameSizeError },
  { name: 'SETTINGS ack with a payload', bytes: frame(4, 1, 0, Buffer.alloc(6)), goaway: frameSizeError },
  { name: 'SETTINGS that turns push on', bytes: frame(4, 0, 0, setting(2, 1)), goaway: protocolError },
  { name: 'SETTINGS with a window of 2^31', bytes: frame(4, 0, 0, setting(4, 2 ** 31)), goaway: flowControlError },
  { name: 'SETTINGS with a small frame size', bytes: frame(4, 0, 0, setting(5, 16_383)), goaway: protocolError },
  { name: 'SETTINGS with a huge frame size', bytes: frame(4, 0, 0, setting(5, 2 ** 24)), goaway: protocolError },
  {
    name: 'SETTINGS that overflows a stream window',
    bytes: Buffer.concat([frame(8, 0, 1, uint32(2 ** 31 - 1 - 65_535)), frame(4, 0, 0, setting(4, 65_536))]),
    goaway: flowControlError,
  },
  { name: 'SETTINGS flood', bytes: times(60, frame(4, 0, 0)), goaway: enhanceYourCalm },
  { name: 'PING flood', bytes: times(102, frame(6, 0, 0, Buffer.alloc(8))), goaway: enhanceYourCalm },
  { name: 'PING on a stream', bytes: frame(6, 0, 1, Buffer.alloc(8)), goaway: protocolError },
  { name: 'PING of a wrong length', bytes: frame(6, 0, 0, Buffer.alloc(7)), goaway: frameSizeError },
  { name: 'GOAWAY on a stream', bytes: frame(7, 0, 1, uint32(0, 0)), goaway: protocolError },
  { name: 'GOAWAY of a wrong length', bytes: frame(7, 0, 0, uint32(0)), goaway: frameSizeError },
  {
    name: 'GOAWAY with a growing id',
    bytes: Buffer.concat([frame(7, 0, 0, uint32(1, 0)), frame(7, 0, 0, uint32(3, 0))]),
    goaway: protocolError,
  },
  { name: 'WINDOW_UPDATE of a wrong length', bytes: frame(8, 0, 0, Buffer.alloc(3)), goaway: frameSizeError },
  { name: 'WINDOW_UPDATE of 0', bytes: frame(8, 0, 0, uint32(0)), goaway: protocolError },
  { name: 'WINDOW_UPDATE of 0 on a stream', bytes: frame(8, 0, 1, uint32(0)), reset: protocolError },
  { name: 'WINDOW_UPDATE on an idle stream', bytes: frame(8, 0, 5, uint32(1)), goaway: protocolError },
  { name: 'a connection window above 2^31-1', bytes: frame(8, 0, 0, uint32(2 ** 31 - 1)), goaway: flowControlError },
  { name: 'a stream window above 2^31-1', bytes: frame(8, 0, 1, uint32(2 ** 31 - 1)), reset: flowControlError },
  { name: 'a response without :status', bytes: answer('a', 'b'), reset: protocolError },
  { name: ':status twice', bytes: answer(':status', '200', ':status', '200'), reset: protocolError },
  { name: ':status after a field', bytes: answer('a', 'b', ':status', '200'), reset: protocolError },
  { name: ':status 1000', bytes: answer(':status', '1000'), reset: protocolError },
  { name: ':status 099', bytes: answer(':status', '099'), reset: protocolError },
  { name: ':status 0', bytes: answer(':status', '0'), reset: protocolError },
  { name: ':status of words', bytes: answer(':status', 'okay'), reset: protocolError },
  { name: ':status 101', bytes: answer(':status', '101'), reset: protocolError },
  { name: 'a request pseudo-field', bytes: answer(':status', '200', ':path', '/'), reset: protocolError },
  { name: 'an upper-case name', bytes: answer(':status', '200', 'Server', 'x'), reset: protocolError },
  { name: 'an empty name', bytes: answer(':status', '200', '', 'x'), reset: protocolError },
  { name: 'a name with a space', bytes: answer(':status', '200', 'a b', 'x'), reset: protocolError },
  { name: 'a value with a line end', bytes: answer(':status', '200', 'a', 'x\r\ny: z'), reset: protocolError },
  { name: 'a value with a space around it', bytes: answer(':status', '200', 'a', ' x'), reset: protocolError },
  { name: 'transfer-encoding', bytes: answer(':status', '200', 'transfer-encoding', 'chunked'), reset: protocolError },
  { name: 'connection', bytes: answer(':status', '200', 'connection', 'close'), reset: protocolError },
  { name: 'a content-length of words', bytes: answer(':status', '200', 'content-length', '1x'), reset: protocolError },
  {
    name: 'two content-lengths',
    bytes: answer(':status', '200', 'content-length', '1', 'content-length', '2'),
    reset: protocolError,
  },
  {
    name: 'more DATA than content-length',
    bytes: Buffer.concat([answer(':status', '200', 'content-length', '1'), frame(0, 0, 1, Buffer.alloc(2))]),
    reset: protocolError,
  },
  {
    name: 'less DATA than content-length',
    bytes: Buffer.concat([answer(':status', '200', 'content-length', '3'), frame(0, END_STREAM, 1, Buffer.alloc(2))]),
    reset: protocolError,
  },
  {
    name: 'no DATA although content-length says so',
    bytes: frame(1, END_HEADERS | END_STREAM, 1, block(':status', '200', 'content-length', '3')),
    reset: protocolError,
  },
  {
    name: 'trailers without END_STREAM',
    bytes: Buffer.concat([HEAD, answer('grpc-status', '0')]),
    reset: protocolError,
  },
  {
    name: ':status in trailers',
    bytes: Buffer.concat([HEAD, frame(1, END_HEADERS | END_STREAM, 1, OK)]),
    reset: protocolError,
  },
  {
    name: '1xx with END_STREAM',
    bytes: frame(1, END_HEADERS | END_STREAM, 1, block(':status', '103')),
    reset: protocolError,
  },
  {
    name: '1xx without end',
    bytes: times(21, answer(':status', '103')),
    reset: enhanceYourCalm,
    code: Code.resourceExhausted,
  },
  {
    name: 'a header list above the limit',
    bytes: answer(':status', '200', ...Array.from({ length: 40 }, (_, i) => [`n${i}`, 'v'.repeat(380)]).flat()),
    reset: enhanceYourCalm,
    code: Code.resourceExhausted,
  },
  {
    name: 'more pairs than the limit',
    bytes: answer(':status', '200', ...Array.from({ length: 100 }, (_, i) => [`n${i}`, '']).flat()),
    reset: enhanceYourCalm,
    code: Code.resourceExhausted,
  },
  {
    name: 'an HPACK bomb',
    bytes: Buffer.concat([
      frame(
        1,
        END_HEADERS,
        1,
        Buffer.concat([
          Buffer.from([0x88, 0x40, 1, 0x61, 127, 128 | 13, 29]),
          Buffer.alloc(3852, 0x78),
          Buffer.alloc(12_000, 0xbe),
        ]),
      ),
    ]),
    limits: { headerTableBytes: 4096 },
    reset: enhanceYourCalm,
    code: Code.resourceExhausted,
  },
];

describe('a broken or hostile server', () => {
  test.each(ROWS)('$name', async ({ bytes, goaway, reset, limits = {}, code }) => {
    const peer = await startRawPeer();
    const link = openLink(peer.port, { limits });
    try {
      const call = startCall(link, undefined, { grant: false });
      await peer.seen((seen) => seen.type === 1 && seen.streamId === 1);
      peer.send(bytes);
      if (goaway !== undefined) {
        const seen = await peer.seen((candidate) => candidate.type === GOAWAY);
        expect(seen?.payload.readUInt32BE(4)).toBe(goaway);
      } else {
        const seen = await peer.seen((candidate) => candidate.type === RST_STREAM);
        expect(seen).toMatchObject({ streamId: 1 });
        expect(seen?.payload.readUInt32BE(0)).toBe(reset);
        // A stream error costs nobody else: the same connection still takes calls.
        const other = startCall(link);
        await peer.seen((candidate) => candidate.type === 1 && candidate.streamId === 3);
        peer.send(frame(1, END_HEADERS | END_STREAM, 3, OK));
        expect((await other.done).head?.status).toBe(200);
      }
      const record = await call.done;
      if (code === -1) expect(record.error).toBeUndefined();
      else expect(record.error?.code).toBe(code ?? (goaway === undefined ? Code.internal : Code.unavailable));
      expect(record.ends).toBe(1);
    } finally {
      link.destroy();
      await peer.close();
    }
  });

  test.each([
    ['an HTTP/1.1 answer', Buffer.from('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n'), frameSizeError],
    ['PING first', frame(6, 0, 0, Buffer.alloc(8)), protocolError],
    ['a SETTINGS ack first', frame(4, 1, 0), protocolError],
  ])('%s instead of SETTINGS', async (_name, greeting, expected) => {
    const peer = await startRawPeer(greeting);
    const link = openLink(peer.port);
    const call = startCall(link);
    expect((await call.done).error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect((await peer.seen((seen) => seen.type === GOAWAY))?.payload.readUInt32BE(4)).toBe(expected);
    link.destroy();
    await peer.close();
  });

  test('what is lawful but odd is taken: priority, padding, unknown frames and settings, late frames after a cancel', async () => {
    const peer = await startRawPeer(frame(4, 0, 0, Buffer.concat([setting(99, 1), setting(3, 100)])));
    const link = openLink(peer.port);
    const cancelled = startCall(link);
    const call = startCall(link);
    await peer.seen((seen) => seen.type === 1 && seen.streamId === 3);
    cancelled.body.cancel('deadline');
    await peer.seen((seen) => seen.type === RST_STREAM && seen.streamId === 1);
    const odd = [
      frame(1, END_HEADERS, 1, OK),
      frame(0, END_STREAM, 1, Buffer.from('late')),
      frame(3, 0, 1, uint32(0)),
      frame(8, 0, 1, uint32(5)),
      frame(99, 255, 77, Buffer.from('unknown')),
      frame(2, 0, 3, Buffer.alloc(5)),
      frame(6, 1, 0, Buffer.alloc(8)),
      frame(1, PADDED | 0x20, 3, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9, 0x88]), Buffer.alloc(2)])),
      frame(9, END_HEADERS, 3, block('a', 'b')),
      frame(0, PADDED, 3, Buffer.concat([Buffer.from([3]), Buffer.from('hi'), Buffer.alloc(3)])),
      frame(1, END_HEADERS | END_STREAM, 3, block('grpc-status', '0')),
      frame(3, 0, 3, uint32(0)),
    ];
    // Byte by byte: every frame is also a half-received one.
    for (const byte of Buffer.concat(odd)) peer.send(Buffer.of(byte));
    const record = await call.done;
    expect(record).toMatchObject({ bytes: 2, trailers: ['grpc-status', '0'] });
    expect(record.head?.fields).toEqual(['a', 'b']);
    expect(cancelled.record).toMatchObject({ ends: 0, head: undefined, bytes: 0 });
    expect(peer.frames.some((seen) => seen.type === GOAWAY)).toBe(false);
    link.destroy();
    await peer.close();
  });

  test('a PING for each call is no flood', async () => {
    const peer = await startRawPeer();
    const link = openLink(peer.port, { limits: { maxPingsPerSecond: 5 } });
    for (let i = 0; i < 20; i++) {
      const call = startCall(link);
      call.body.end();
      const id = 2 * i + 1;
      await peer.seen((seen) => seen.type === 1 && seen.streamId === id);
      peer.send(Buffer.concat([frame(6, 0, 0, Buffer.alloc(8)), frame(1, END_HEADERS | END_STREAM, id, OK)]));
      expect(await call.done).toMatchObject({ error: undefined, trailers: [] });
    }
    expect(peer.frames.some((seen) => seen.type === GOAWAY)).toBe(false);
    link.destroy();
    await peer.close();
  });

  test('PING is answered with its own bytes', async () => {
    const peer = await startRawPeer();
    const link = openLink(peer.port);
    peer.send(frame(6, 0, 0, Buffer.from('12345678')));
    const pong = await peer.seen((seen) => seen.type === 6);
    expect(pong).toMatchObject({ flags: 1, payload: Buffer.from('12345678') });
    link.destroy();
    await peer.close();
  });
});
