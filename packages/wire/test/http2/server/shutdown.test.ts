import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { TEST_TLS } from '@bascule/testing/tls';
import { frame, uint32 } from '../frame.ts';
import {
  answering,
  connectFrames,
  createHolding,
  END_STREAM,
  isGoaway,
  Kind,
  open,
  startRig,
  type FrameClient,
  type SeenFrame,
} from './rig.ts';

const LAST = 0x7fff_ffff;

function goaways(client: FrameClient): (readonly [last: number, code: number, debug: string])[] {
  return client.frames
    .filter(isGoaway)
    .map(({ payload }) => [payload.readUInt32BE(0), payload.readUInt32BE(4), payload.toString('latin1', 8)] as const);
}

function isNotice(seen: SeenFrame): boolean {
  return seen.type === Kind.ping && seen.payload.toString('latin1') === 'draining';
}

/** Answers the PING behind a notice. */
async function acknowledgeNotice(client: FrameClient): Promise<void> {
  const ping = await client.seen(isNotice);
  client.send(frame(Kind.ping, 1, 0, ping?.payload));
}

test('drains in two steps: what crosses with the first is served, what comes behind the second is not', async () => {
  const { service, words, calls } = createHolding();
  const { listener, port } = await startRig(service);
  const client = await connectFrames(port, { mute: true });
  client.send(frame(Kind.settings, 1, 0), open(1, END_STREAM, '/before'));
  await expect.poll(() => words).toContain('/before end');
  const closed = listener.close(60_000);
  await client.seen(isNotice);
  expect(goaways(client)).toEqual([[LAST, 0, 'drain']]);
  client.send(open(3, END_STREAM, '/crossing'));
  await expect.poll(() => words).toContain('/crossing end');
  await acknowledgeNotice(client);
  await client.seen((seen) => isGoaway(seen) && seen.payload.readUInt32BE(0) === 3);
  expect(goaways(client)).toEqual([
    [LAST, 0, 'drain'],
    [3, 0, ''],
  ]);
  client.send(open(5, END_STREAM, '/late'));
  const refused = await client.seen((seen) => seen.type === Kind.reset && seen.id === 5);
  expect(refused?.payload.readUInt32BE(0)).toBe(7);
  expect(listener.openCalls()).toBe(2);
  for (const [, reply] of calls) {
    reply.head({ status: 200, fields: [] });
    reply.end(['x', 'y']);
  }
  await client.closed();
  await closed;
  expect(client.frames.filter((seen) => seen.type === Kind.headers && (seen.flags & END_STREAM) !== 0).length).toBe(2);
});

test('says the last stream after a while to who does not answer the PING', async () => {
  const { listener, port, clock } = await startRig(answering);
  const client = await connectFrames(port, { mute: true });
  client.send(frame(Kind.settings, 1, 0), open(1, END_STREAM));
  await client.seen((seen) => seen.id === 1 && (seen.flags & END_STREAM) !== 0);
  const closed = listener.close(60_000);
  await client.seen(isNotice);
  clock.advance(4_999);
  await nextTurn();
  expect(goaways(client).length).toBe(1);
  clock.advance(1);
  await client.closed();
  expect(goaways(client)[1]).toEqual([1, 0, '']);
  await closed;
});

test.each([
  ['max_age', { sessionAgeMs: 1_000, sessionIdleMs: 1e9 }],
  ['max_idle', { sessionIdleMs: 1_000 }],
])('closes for %s, in two steps', async (reason, limits) => {
  const { port, clock } = await startRig(answering, { ...limits, prefaceTimeoutMs: 1 });
  const client = await connectFrames(port);
  await client.settled();
  clock.advance(899);
  await client.settled();
  expect(goaways(client)).toEqual([]);
  clock.advance(201);
  await client.seen((seen) => isGoaway(seen) && seen.payload.readUInt32BE(0) === 0);
  expect(goaways(client)).toEqual([
    [LAST, 0, reason],
    [0, 0, ''],
  ]);
  await client.closed();
});

test('neither age nor idleness cuts an open stream', async () => {
  const { service, words, calls } = createHolding();
  const { port, clock } = await startRig(service, { sessionAgeMs: 1_000, sessionIdleMs: 500, keepaliveMs: 0 });
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM));
  await expect.poll(() => words).toContain('/x end');
  clock.advance(3_600_000);
  await client.seen((seen) => isGoaway(seen) && seen.payload.readUInt32BE(0) === 1);
  clock.advance(3_600_000);
  await client.settled();
  calls[0]?.[1].head({ status: 200, fields: [] });
  calls[0]?.[1].end([]);
  await client.closed();
  expect(goaways(client)[0]?.[2]).toBe('max_age');
  expect(client.frames.some((seen) => seen.id === 1 && (seen.flags & END_STREAM) !== 0)).toBe(true);
});

test('gives a client that has closed its side its answers, and then closes', async () => {
  const { service, words, calls } = createHolding();
  const { listener, port } = await startRig(service);
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM, '/whole'), open(3, 0, '/half'));
  await expect.poll(() => words).toContain('/whole end');
  client.socket.end();
  await expect.poll(() => words).toContain('/half cancel caller-gone');
  expect(listener.openCalls()).toBe(1);
  calls[0]?.[1].head({ status: 200, fields: [] });
  calls[0]?.[1].write(Buffer.alloc(50_000));
  calls[0]?.[1].end(['x', 'y']);
  await client.closed();
  const bytes = client.frames
    .filter((seen) => seen.id === 1)
    .map(({ type, payload }) => (type === 0 ? payload.length : 0));
  expect(bytes.reduce((sum, each) => sum + each, 0)).toBe(50_000);
  expect(words).not.toContain('/whole cancel caller-gone');
});

test('gives a client its answers that has closed its side of a TLS connection', async () => {
  const { service, words, calls } = createHolding();
  const { port } = await startRig(service, {}, { tls: TEST_TLS });
  const wanted = { port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'], allowHalfOpen: true };
  const socket = connectTls(wanted);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  let received = 0;
  socket.on('data', (chunk: Buffer) => void (received += chunk.length));
  const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
  socket.end(Buffer.concat([preface, frame(Kind.settings, 0, 0), open(1, END_STREAM)]));
  await expect.poll(() => words).toContain('/x end');
  await nextTurn();
  calls[0]?.[1].head({ status: 200, fields: [] });
  calls[0]?.[1].write(Buffer.alloc(50_000));
  calls[0]?.[1].end([]);
  await once(socket, 'close');
  expect(received).toBeGreaterThan(50_000);
});

test('notices that nobody is left behind a closed side', async () => {
  const { service, words } = createHolding();
  const { listener, port, clock } = await startRig(service);
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM, '/watch'));
  await expect.poll(() => words).toContain('/watch end');
  client.socket.destroy();
  await expect
    .poll(() => {
      clock.advance(100);
      return words;
    })
    .toContain('/watch cancel caller-gone');
  await expect.poll(() => listener.openCalls()).toBe(0);
});

test('sends a whole answer to a slow reader though it closes behind it', async () => {
  const { listener, port, clock } = await startRig((_head, reply) => {
    let left = 4_000_000;
    const write = (bytes: number): void => {
      const count = Math.min(bytes, left);
      left -= count;
      if (count > 0) reply.write(new Uint8Array(count));
      if (count > 0 && left === 0) reply.end([]);
    };
    return {
      write() {},
      end() {
        reply.head({ status: 200, fields: [] });
        write(65_535);
      },
      cancel() {},
      grant: write,
    };
  });
  const client = await connectFrames(port, { settings: Buffer.concat([Buffer.of(0, 4), uint32(LAST)]) });
  client.send(frame(Kind.windowUpdate, 0, 0, uint32(LAST - 65_535)));
  await client.settled();
  client.send(open(1, END_STREAM));
  await client.seen((seen) => seen.type === Kind.data);
  client.socket.pause();
  const closed = listener.close(60_000);
  for (let i = 0; i < 20; i++) {
    clock.advance(1_000);
    await nextTurn();
    client.socket.resume();
    await nextTurn();
    client.socket.pause();
  }
  client.socket.resume();
  await client.closed();
  await closed;
  const received = client.frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  expect(received).toBe(4_000_000);
});
