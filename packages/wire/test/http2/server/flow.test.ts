import { expect, test } from 'vitest';
import type { Reply } from '@bascule/core';
import { frame, uint32 } from '../frame.ts';
import { connectFrames, createHolding, END_STREAM, Kind, open, startRig, type FrameClient } from './rig.ts';

const WINDOW = 65_535;
const WIDE = Buffer.concat([Buffer.of(0, 4), uint32(0x7fff_ffff)]);

/** What the server has let a stream send so far. */
function allowed(client: FrameClient, id: number): number {
  const updates = client.frames.filter((seen) => seen.type === Kind.windowUpdate && seen.id === id);
  return WINDOW + updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
}

type Upload = (id: number, bytes: number) => Promise<void>;

/** Uploads as the windows allow, until `bytes` are sent. */
function createUpload(client: FrameClient): Upload {
  let all = 0;
  return async (id, bytes) => {
    for (let sent = 0; sent < bytes;) {
      const room = (): number => Math.min(allowed(client, id) - sent, allowed(client, 0) - all);
      await client.seen(() => room() > 0);
      const count = Math.min(room(), bytes - sent, 16_384);
      client.send(frame(Kind.data, 0, id, Buffer.alloc(count)));
      sent += count;
      all += count;
    }
  };
}

test('the window of a reader that keeps up grows to its limit and no further', async () => {
  let received = 0;
  const { port } = await startRig((_head, reply) => ({
    write(bytes) {
      received += bytes.length;
      reply.grant(bytes.length);
    },
    end() {},
    cancel() {},
    grant() {},
  }));
  const client = await connectFrames(port);
  client.send(open(1));
  await createUpload(client)(1, 4_000_000);
  await expect.poll(() => received).toBe(4_000_000);
  await client.settled();
  const outstanding = allowed(client, 1) - received;
  expect(outstanding).toBeGreaterThan(500_000);
  expect(outstanding).toBeLessThanOrEqual(1_048_576);
});

test('a reader that stops is given no more than its credit, whatever its window has grown to', async () => {
  let reply: Reply | undefined;
  let received = 0;
  let granting = true;
  let most = 0;
  let owed = 0;
  const { port } = await startRig((_head, itsReply) => {
    reply = itsReply;
    return {
      write(bytes) {
        received += bytes.length;
        if (granting) return itsReply.grant(bytes.length);
        owed += bytes.length;
        most = Math.max(most, owed);
      },
      end: () => itsReply.end([]),
      cancel() {},
      grant() {},
    };
  });
  const client = await connectFrames(port);
  client.send(open(1));
  await createUpload(client)(1, 2_000_000);
  await expect.poll(() => received).toBe(2_000_000);
  granting = false;
  const rest = allowed(client, 1) - 2_000_000;
  for (let left = rest; left > 0; left -= 16_384) {
    client.send(frame(Kind.data, 0, 1, Buffer.alloc(Math.min(left, 16_384), 7)));
  }
  await client.settled();
  expect(rest).toBeGreaterThan(WINDOW);
  expect(most).toBe(WINDOW);
  client.send(frame(Kind.data, END_STREAM, 1));
  await client.settled();
  granting = true;
  // What was held comes in order as credit comes, and the end behind it.
  reply?.grant(owed);
  await client.seen((seen) => seen.id === 1 && (seen.flags & END_STREAM) !== 0);
  expect(received).toBe(2_000_000 + rest);
});

test('one upload that nobody reads stalls no other', async () => {
  const read: Record<string, number> = {};
  const { port } = await startRig((head, reply) => ({
    write(bytes) {
      read[head.path] = (read[head.path] ?? 0) + bytes.length;
      if (head.path === '/read') reply.grant(bytes.length);
    },
    end() {},
    cancel() {},
    grant() {},
  }));
  const client = await connectFrames(port);
  for (let i = 0; i < 20; i++) client.send(open(1 + 2 * i, 0, `/unread`));
  client.send(open(41, 0, '/read'));
  const upload = createUpload(client);
  for (let i = 0; i < 20; i++) await upload(1 + 2 * i, WINDOW);
  await client.settled();
  // The connection's window was given back on receipt.
  await upload(41, 64_000);
  await client.settled();
  expect(read).toEqual({ '/unread': 20 * WINDOW, '/read': 64_000 });
});

test('answers take turns: a short one is not behind the long ones', async () => {
  const { service, calls } = createHolding();
  const { port } = await startRig(service);
  const client = await connectFrames(port, { settings: WIDE });
  for (let i = 0; i < 5; i++) client.send(open(1 + 2 * i, END_STREAM));
  await client.settled();
  expect(calls.length).toBe(5);
  calls.forEach(([, reply], i) => {
    reply.head({ status: 200, fields: [] });
    reply.write(new Uint8Array(i === 4 ? 100 : WINDOW));
    reply.end([]);
  });
  // All wait for the connection's window, but for what the first one took of it.
  for (let i = 0; i < 12; i++) {
    client.send(frame(Kind.windowUpdate, 0, 0, uint32(16_384)));
    await client.settled();
  }
  const ended = client.frames.filter((seen) => seen.type === Kind.data && (seen.flags & END_STREAM) !== 0);
  expect(ended.map((seen) => seen.id).slice(0, 2)).toEqual([1, 9]);
});

test('windows that shrink below zero send nothing until they are positive', async () => {
  const { service, calls } = createHolding();
  const { port } = await startRig(service);
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM));
  await client.settled();
  const reply = calls[0]?.[1];
  reply?.head({ status: 200, fields: [] });
  reply?.write(new Uint8Array(60_000));
  await client.settled();
  const setWindow = (bytes: number) => frame(Kind.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(bytes)]));
  client.send(setWindow(0), frame(Kind.windowUpdate, 0, 0, uint32(1_000_000)));
  await client.settled();
  reply?.write(new Uint8Array(5_000));
  reply?.end([]);
  client.send(frame(Kind.windowUpdate, 0, 1, uint32(60_000)));
  await client.settled();
  const sent = () => client.frames.reduce((sum, { type, payload }) => sum + (type === 0 ? payload.length : 0), 0);
  expect(sent()).toBe(60_000);
  client.send(frame(Kind.windowUpdate, 0, 1, uint32(1)));
  await client.settled();
  expect(sent()).toBe(60_001);
  client.send(setWindow(4_999));
  await client.seen((seen) => seen.type === Kind.data && (seen.flags & END_STREAM) !== 0);
  expect(sent()).toBe(65_000);
});

test('an answer beyond all credit is broken off before it fills the memory', async () => {
  const { service, words, calls } = createHolding();
  const { listener, port } = await startRig(service, { maxSessionBytes: 1_000_000 });
  const client = await connectFrames(port);
  client.send(open(1, END_STREAM, '/greedy'), open(3, END_STREAM, '/good'));
  await client.settled();
  for (const [, reply] of calls) reply.head({ status: 200, fields: [] });
  calls[0]?.[1].write(new Uint8Array(2_000_000));
  calls[1]?.[1].write(new Uint8Array(10));
  const reset = await client.seen((seen) => seen.type === Kind.reset);
  expect(reset?.id).toBe(1);
  expect(words).toContain('/greedy cancel protocol-error');
  expect(words).not.toContain('/good cancel caller-gone');
  expect(listener.openCalls()).toBe(1);
});
