import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { ErrorCode } from '../../../src/http2/errors.ts';
import { frame, uint32 } from '../frame.ts';
import { answering, connectFrames, createHolding, END_STREAM, isGoaway, Kind, open, request, startRig } from './rig.ts';

test('cuts a connection whose SETTINGS do not come', async () => {
  const { port, clock, abuses } = await startRig(answering, { prefaceTimeoutMs: 500 });
  const client = await connectFrames(port, { mute: true });
  await client.seen((seen) => seen.type === Kind.settings);
  const silent = connect({ port, host: '127.0.0.1' });
  const gone = once(silent, 'close');
  silent.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  // Its greeting has come, so its time runs.
  await once(silent, 'data');
  clock.advance(500);
  await gone;
  expect(abuses).toEqual(['slow-preface']);
});

test('cuts a client that does not acknowledge our SETTINGS', async () => {
  const { port, clock, abuses } = await startRig(answering);
  const client = await connectFrames(port, { mute: true });
  await client.settled();
  clock.advance(9_999);
  await client.settled();
  clock.advance(1);
  const goaway = await client.seen(isGoaway);
  expect(goaway?.payload.readUInt32BE(4)).toBe(ErrorCode.settingsTimeout);
  await client.closed();
  expect(abuses).toEqual(['settings-unacknowledged']);
});

test('cuts a client that begins a header block and does not end it', async () => {
  const { service, words } = createHolding();
  const { port, clock, abuses } = await startRig(service);
  const client = await connectFrames(port);
  client.send(open(1), frame(Kind.settings, 1, 0));
  await client.settled();
  client.send(frame(Kind.headers, 0, 3, request()));
  await expect
    .poll(() => {
      clock.advance(1_000);
      return abuses;
    })
    .toEqual(['slow-head']);
  await client.closed();
  expect(words).toEqual(['/x cancel protocol-error']);
});

test('cuts a client that breaks off a frame, but not one whose upload is slow', async () => {
  const { service } = createHolding();
  const { port, clock, abuses } = await startRig(service, { sessionIdleMs: 1e9, sessionAgeMs: 1e9, keepaliveMs: 0 });
  const slow = await connectFrames(port);
  const broken = await connectFrames(port);
  await Promise.all([slow.settled(), broken.settled()]);
  const upload = frame(Kind.data, 0, 1, Buffer.alloc(1_000));
  slow.send(open(1), upload.subarray(0, 500));
  broken.send(open(1), open(3).subarray(0, 20));
  await expect
    .poll(() => {
      clock.advance(1_000);
      return abuses;
    })
    .toEqual(['slow-head']);
  await broken.closed();
  slow.send(upload.subarray(500));
  await slow.settled();
});

test('pings a silent client, keeps who answers and cuts who does not', async () => {
  const { port, clock, abuses } = await startRig(answering, { sessionIdleMs: 1e9, sessionAgeMs: 1e9 });
  const client = await connectFrames(port, { mute: true });
  client.send(frame(Kind.settings, 1, 0));
  await client.settled();
  clock.advance(60_000);
  const ping = await client.seen((seen) => seen.type === Kind.ping && seen.flags === 0);
  clock.advance(19_000);
  client.send(frame(Kind.ping, 1, 0, ping?.payload));
  await client.settled();
  clock.advance(59_000);
  await client.settled();
  clock.advance(60_000);
  await expect.poll(() => client.frames.filter((seen) => seen.type === Kind.ping && seen.flags === 0).length).toBe(2);
  clock.advance(20_000);
  await client.closed();
  expect(client.frames.some(isGoaway)).toBe(false);
  expect(abuses).toEqual([]);
});

test('frees answers that wait for a window, and leaves those alone that move', async () => {
  const { service, words, calls } = createHolding();
  const { listener, port, clock, abuses } = await startRig(service, { keepaliveMs: 0 });
  const client = await connectFrames(port, { settings: Buffer.concat([Buffer.of(0, 4), uint32(0)]) });
  client.send(open(1, END_STREAM, '/stuck'), open(3, END_STREAM, '/slow'), open(5, END_STREAM, '/ended'));
  await expect.poll(() => words).toContain('/ended end');
  for (const [head, reply] of calls) {
    reply.head({ status: 200, fields: [] });
    reply.write(new Uint8Array(10_000));
    if (head.path === '/ended') reply.end([]);
  }
  for (let i = 0; i < 8; i++) {
    clock.advance(4_000);
    client.send(frame(Kind.windowUpdate, 0, 3, uint32(100)));
    await client.settled();
  }
  await expect
    .poll(() =>
      client.frames
        .filter((seen) => seen.type === Kind.reset)
        .map((seen) => seen.id)
        .toSorted((a, b) => a - b),
    )
    .toEqual([1, 5]);
  expect(abuses).toEqual(['zero-window', 'zero-window']);
  expect(words.filter((word) => word.includes('cancel'))).toEqual(['/stuck cancel caller-gone']);
  expect(listener.openCalls()).toBe(1);
});

test('cuts a client whose socket takes nothing', async () => {
  const { port, clock, abuses } = await startRig((_head, reply) => ({
    write() {},
    end() {
      reply.head({ status: 200, fields: [] });
      reply.write(new Uint8Array(60_000));
    },
    cancel() {},
    grant: (bytes) => reply.write(new Uint8Array(bytes)),
  }));
  const client = await connectFrames(port, { settings: Buffer.concat([Buffer.of(0, 4), uint32(0x7fff_ffff)]) });
  await client.settled();
  client.send(frame(Kind.windowUpdate, 0, 0, uint32(0x7fff_0000)), open(1, END_STREAM));
  await client.seen((seen) => seen.type === Kind.data);
  client.socket.pause();
  await expect
    .poll(
      () => {
        clock.advance(1_000);
        return abuses;
      },
      { timeout: 10_000 },
    )
    .toEqual(['slow-reader']);
  client.socket.destroy();
});

test('one timer serves a connection, and none is left behind it', async () => {
  const { service, words } = createHolding();
  const { port, clock } = await startRig(service);
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM), open(3, END_STREAM), open(5));
  await client.settled();
  expect(words.filter((word) => word.endsWith('end')).length).toBe(2);
  expect(clock.pending()).toBe(1);
  client.socket.destroy();
  await expect
    .poll(() => {
      clock.advance(100);
      return clock.pending();
    })
    .toBe(0);
});
