import { holdWork, releaseWork, type CallContext } from '@bascule/core';
import { expect, test } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import type { AbuseKind } from '../../../src/listener/abuse.ts';
import type { ListenLimits } from '../../../src/listener/limits.ts';
import { frame, uint32 } from '../frame.ts';
import {
  block,
  connectFrames,
  createHolding,
  decodeBlock,
  END_HEADERS,
  END_STREAM,
  isGoaway,
  Kind,
  open,
  PADDED,
  PRIORITY,
  request,
  startRig,
  times,
} from './rig.ts';

const { protocolError, enhanceYourCalm, flowControlError, streamClosed, refusedStream, frameSizeError } = ErrorCode;

interface Row {
  readonly name: string;
  /** Sent behind the HEADERS of stream 1, whose request is still open. */
  readonly bytes: Buffer;
  /** Error code of GOAWAY, or of RST_STREAM on `id` (default 1). */
  readonly goaway?: number;
  readonly reset?: number;
  readonly id?: number;
  readonly abuse?: AbuseKind;
  readonly limits?: Partial<ListenLimits>;
}

function setting(id: number, value: number): Buffer {
  return Buffer.concat([Buffer.of(id >> 8, id), uint32(value)]);
}

const PAIRS = Array.from({ length: 120 }, (_, i) => [`n${i}`, 'v']).flat();

const ROWS: readonly Row[] = [
  {
    name: 'streams opened and reset',
    bytes: times(300, (i) => Buffer.concat([open(3 + 2 * i), frame(Kind.reset, 0, 3 + 2 * i, uint32(8))])),
    goaway: enhanceYourCalm,
    abuse: 'rapid-reset',
  },
  {
    name: 'resets that are provoked',
    bytes: times(300, (i) => Buffer.concat([open(3 + 2 * i), frame(Kind.windowUpdate, 0, 3 + 2 * i, uint32(0))])),
    goaway: enhanceYourCalm,
    abuse: 'provoked-reset',
  },
  {
    name: 'malformed heads',
    bytes: times(300, (i) => frame(Kind.headers, END_HEADERS | END_STREAM, 3 + 2 * i, block(':method', 'GET'))),
    goaway: enhanceYourCalm,
    abuse: 'provoked-reset',
  },
  {
    name: 'more streams than announced',
    bytes: Buffer.concat([open(3), open(5), frame(Kind.reset, 0, 3, uint32(8))]),
    limits: { maxStreams: 2 },
    reset: refusedStream,
    id: 5,
    abuse: 'too-many-streams',
  },
  {
    name: 'CONTINUATION without end',
    bytes: Buffer.concat([frame(Kind.headers, 0, 3, request()), times(9, () => frame(Kind.continuation, 0, 3))]),
    goaway: enhanceYourCalm,
    abuse: 'continuation-flood',
  },
  {
    name: 'a block of monstrous size',
    bytes: Buffer.concat([
      frame(Kind.headers, 0, 3, request()),
      times(4, () => frame(Kind.continuation, 0, 3, Buffer.alloc(16_384))),
    ]),
    goaway: enhanceYourCalm,
    abuse: 'header-list-size',
  },
  {
    name: 'SETTINGS',
    bytes: times(60, () => frame(Kind.settings, 0, 0)),
    goaway: enhanceYourCalm,
    abuse: 'settings-flood',
  },
  {
    name: 'PING',
    bytes: times(102, () => frame(Kind.ping, 0, 0, Buffer.alloc(8))),
    goaway: enhanceYourCalm,
    abuse: 'ping-flood',
  },
  {
    name: 'PING acknowledgements',
    bytes: times(102, () => frame(Kind.ping, 1, 0, Buffer.alloc(8))),
    goaway: enhanceYourCalm,
    abuse: 'ping-flood',
  },
  {
    name: 'empty DATA',
    bytes: times(501, () => frame(Kind.data, 0, 1)),
    goaway: enhanceYourCalm,
    abuse: 'empty-data-flood',
  },
  {
    name: 'DATA that is mostly padding',
    bytes: times(501, () => frame(Kind.data, PADDED, 1, Buffer.concat([Buffer.of(20), Buffer.alloc(21)]))),
    goaway: enhanceYourCalm,
    abuse: 'empty-data-flood',
  },
  {
    name: 'WINDOW_UPDATE',
    bytes: times(1_100, () => frame(Kind.windowUpdate, 0, 0, uint32(1))),
    goaway: enhanceYourCalm,
    abuse: 'window-update-flood',
  },
  {
    name: 'PRIORITY',
    bytes: times(201, () => frame(Kind.priority, 0, 1, Buffer.alloc(5))),
    goaway: enhanceYourCalm,
    abuse: 'priority-flood',
  },
  {
    name: 'resets of a stream that is over',
    bytes: Buffer.concat([open(3), times(1_100, () => frame(Kind.reset, 0, 1, uint32(8)))]),
    goaway: enhanceYourCalm,
    abuse: 'stray-flood',
  },
  {
    name: 'a connection window above 2^31-1',
    bytes: frame(Kind.windowUpdate, 0, 0, uint32(0x7fff_ffff)),
    goaway: flowControlError,
    abuse: 'window-overflow',
  },
  {
    name: 'a stream window above 2^31-1',
    bytes: frame(Kind.windowUpdate, 0, 1, uint32(0x7fff_ffff)),
    reset: flowControlError,
    abuse: 'window-overflow',
  },
  {
    name: 'SETTINGS that overflow a stream window',
    bytes: Buffer.concat([
      frame(Kind.windowUpdate, 0, 1, uint32(0x7fff_ffff - 65_535)),
      frame(Kind.settings, 0, 0, setting(4, 65_536)),
    ]),
    goaway: flowControlError,
    abuse: 'window-overflow',
  },
  {
    name: 'DATA beyond the stream window',
    bytes: times(5, () => frame(Kind.data, 0, 1, Buffer.alloc(16_384))),
    reset: flowControlError,
    abuse: 'protocol-error',
  },
  {
    name: 'DATA beyond the connection window',
    bytes: times(5, () => frame(Kind.data, 0, 1, Buffer.alloc(16_384))),
    limits: { connectionWindowBytes: 65_535 },
    goaway: flowControlError,
    abuse: 'protocol-error',
  },
  {
    name: 'DATA behind the end',
    bytes: Buffer.concat([frame(Kind.data, END_STREAM, 1), frame(Kind.data, 0, 1, Buffer.alloc(1))]),
    reset: streamClosed,
  },
  { name: 'PRIORITY of a wrong length', bytes: frame(Kind.priority, 0, 1, uint32(1)), goaway: frameSizeError },
  {
    name: 'PRIORITY of an open stream on itself',
    bytes: frame(Kind.priority, 0, 1, Buffer.concat([uint32(1), Buffer.of(0)])),
    reset: protocolError,
  },
  {
    name: 'PRIORITY of an idle stream on itself',
    bytes: frame(Kind.priority, 0, 9, Buffer.concat([uint32(9), Buffer.of(0)])),
    goaway: protocolError,
  },
  {
    name: 'HEADERS that depend on themselves',
    bytes: frame(Kind.headers, END_HEADERS | PRIORITY, 3, Buffer.concat([uint32(3), Buffer.of(0), request()])),
    reset: protocolError,
    id: 3,
  },
  { name: 'an even stream', bytes: open(2), goaway: protocolError },
  { name: 'a stream below the last', bytes: Buffer.concat([open(9), open(5)]), goaway: protocolError },
];

test.each(ROWS)('$name', async ({ bytes, goaway, reset, id = 1, abuse, limits }) => {
  const { service, words } = createHolding();
  const { listener, port, abuses } = await startRig(service, limits);
  const client = await connectFrames(port);
  // The limit on streams is not held against who cannot know it yet.
  await client.settled();
  client.send(open(1), bytes);
  if (goaway !== undefined) {
    expect((await client.seen(isGoaway))?.payload.readUInt32BE(4)).toBe(goaway);
    await client.closed();
    expect(words.filter((word) => word.includes('cancel')).length).toBeGreaterThan(0);
    await expect.poll(() => listener.openCalls()).toBe(0);
  } else {
    const seen = await client.seen((each) => each.type === Kind.reset && each.id === id);
    expect(seen?.payload.readUInt32BE(0)).toBe(reset);
    // A stream error costs nobody else.
    client.send(open(101, END_STREAM, '/other'));
    await expect.poll(() => words).toContain('/other end');
  }
  if (abuse !== undefined) expect(abuses).toContain(abuse);
});

test.each([
  ['too many bytes', request('/x', 'x-long', 'v'.repeat(16_300))],
  ['too many fields', request('/x', ...PAIRS)],
])('a head of %s is answered with 431, and the next one is read right', async (_what, head) => {
  const { service, calls } = createHolding();
  const { port, abuses } = await startRig(service);
  const client = await connectFrames(port);
  // Enters the dynamic table in the refused head: must be there for the next one.
  const entry = Buffer.concat([Buffer.of(0x40), block('x-kept', 'yes').subarray(1)]);
  const large = Buffer.concat([head, entry]);
  client.send(
    frame(Kind.headers, END_STREAM, 1, large.subarray(0, 16_000)),
    frame(Kind.continuation, END_HEADERS, 1, large.subarray(16_000)),
    frame(Kind.headers, END_HEADERS | END_STREAM, 3, Buffer.concat([request(), Buffer.of(0xbe)])),
  );
  const answer = await client.seen((each) => each.type === Kind.headers && each.id === 1);
  expect(answer?.flags).toBe(END_STREAM | END_HEADERS);
  expect(decodeBlock(answer)).toEqual([':status', '431']);
  await expect.poll(() => calls.length).toBe(1);
  expect(calls[0]?.[0].fields).toEqual(['x-kept', 'yes']);
  expect(abuses).toEqual(['header-list-size']);
});

test('what is lawful but odd is taken', async () => {
  const { service, words } = createHolding();
  const { port, abuses } = await startRig(service);
  const client = await connectFrames(port, { settings: Buffer.concat([setting(99, 1), setting(1, 0xffff_ffff)]) });
  client.send(
    frame(99, 255, 77, Buffer.from('unknown')),
    frame(Kind.priority, 0, 77, Buffer.alloc(5)),
    frame(
      Kind.headers,
      PRIORITY | PADDED,
      1,
      Buffer.concat([Buffer.of(2, 0, 0, 0, 0, 9), request('/odd'), Buffer.alloc(2)]),
    ),
    frame(Kind.continuation, END_HEADERS, 1, block('x', 'y')),
    frame(Kind.data, PADDED, 1, Buffer.concat([Buffer.of(3), Buffer.from('hi'), Buffer.alloc(3)])),
    frame(Kind.data, 0, 1),
    frame(Kind.headers, END_HEADERS | END_STREAM, 1, block('x-trailer', 'z')),
  );
  await client.settled();
  expect(words).toEqual(['/odd write 2', '/odd end']);
  expect(abuses).toEqual([]);
});

test('answers that are never read end the connection, not the memory', async () => {
  const { service } = createHolding();
  const { port, abuses } = await startRig(service, { pingsPerSecond: 1e9 });
  const client = await connectFrames(port);
  client.socket.pause();
  const pings = times(2_000, () => frame(Kind.ping, 0, 0, Buffer.alloc(8)));
  const closed = client.closed();
  const flood = (): void => {
    while (!client.socket.destroyed && client.socket.write(pings)) continue;
    if (!client.socket.destroyed) client.socket.once('drain', flood);
  };
  flood();
  await expect.poll(() => abuses).toEqual(['unread-answers']);
  client.socket.destroy();
  await closed;
});

test('reset streams count until their callees have given up', async () => {
  const busy: CallContext[] = [];
  const { port } = await startRig(
    ({ call }) => ({
      write() {},
      end() {},
      grant() {},
      cancel() {
        holdWork(call);
        busy.push(call);
      },
    }),
    { maxUnsettledStreams: 2 },
  );
  const client = await connectFrames(port);
  await client.settled();
  for (const id of [1, 3]) client.send(open(id), frame(Kind.reset, 0, id, uint32(8)));
  client.send(open(5));
  const refused = await client.seen((each) => each.type === Kind.reset && each.id === 5);
  expect(refused?.payload.readUInt32BE(0)).toBe(refusedStream);
  expect(busy).toHaveLength(2);
  releaseWork(busy[0] as CallContext);
  client.send(open(7), frame(Kind.reset, 0, 7, uint32(8)));
  await expect.poll(() => busy).toHaveLength(3);
});
