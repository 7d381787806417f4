import { setImmediate as nextTurn } from 'node:timers/promises';
import { createRandom } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { describe, expect, test } from 'vitest';
import { frame, openLink, startCall, startRawPeer, uint32, upload, type TestCall } from './support.ts';

const CALLS = 8;
/** Round n draws from seed + n: FUZZ_SEED=<seed printed by the failure> begins with the round that failed. */
const { seed: START, numRuns: ROUNDS } = fuzzing(120);

type Random = () => number;

function below(random: Random, n: number): number {
  return Math.trunc(random() * n);
}

function randomBytes(random: Random, maxLength: number): Buffer {
  return Buffer.from(Array.from({ length: below(random, maxLength + 1) }, () => below(random, 256)));
}

const BLOCKS = [
  '88',
  '20885f106170706c69636174696f6e2f67727063',
  '000b677270632d7374617475730130',
  '8d',
  '4803333032',
  '00',
  'be',
];

/** One frame that may well be lawful where it stands. */
function likelyFrame(random: Random): Buffer {
  const id = 1 + 2 * below(random, CALLS);
  const flags = random() < 0.3 ? 1 : 0;
  const kind = below(random, 12);
  const block = Buffer.from(BLOCKS[below(random, random() < 0.9 ? 3 : BLOCKS.length)] as string, 'hex');
  if (kind < 4) return frame(1, flags | 4, id, block);
  if (kind < 7) return frame(0, flags, id, randomBytes(random, 600));
  switch (kind) {
    case 7:
      return frame(8, 0, random() < 0.3 ? 0 : id, uint32(below(random, 100_000)));
    case 8:
      return frame(4, 0, 0, Buffer.concat([Buffer.from([0, 1 + below(random, 6)]), uint32(below(random, 70_000))]));
    case 9:
      return frame(6, 0, 0, Buffer.alloc(8));
    case 10:
      return random() < 0.3 ? frame(7, 0, 0, uint32(id, 0)) : frame(3, 0, id, uint32(below(random, 14)));
    default:
      return Buffer.concat([frame(1, flags, id, block), frame(9, 4, id, block)]);
  }
}

function mutate(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  switch (below(random, 12)) {
    case 0:
      copy[below(random, copy.length)] = below(random, 256);
      return copy;
    case 1:
      return copy.subarray(0, below(random, copy.length));
    case 2:
      return frame(below(random, 256), below(random, 256), below(random, 40), randomBytes(random, 80));
    case 3:
      return Buffer.concat([copy, copy]);
    default:
      return copy;
  }
}

async function round(seed: number): Promise<TestCall[]> {
  const random = createRandom(seed);
  const peer = await startRawPeer();
  const link = openLink(peer.port, {
    maxConnections: 1,
    limits: { headerTableBytes: random() < 0.5 ? 0 : 4096 },
  });
  try {
    const calls = Array.from({ length: CALLS }, () =>
      startCall(link, undefined, { keep: false, grant: random() < 0.8 }),
    );
    for (const call of calls) {
      const shape = below(random, 4);
      if (shape < 2) upload(call, Buffer.alloc(below(random, 200_000)));
      else if (shape === 2) call.body.end();
    }
    await peer.seen((seen) => seen.type === 1 && seen.streamId === CALLS * 2 - 1);
    const frames = Array.from({ length: 5 + below(random, 60) }, () => likelyFrame(random));
    const calm = random() < 0.3;
    const bytes = Buffer.concat(calm ? frames : frames.map((each) => mutate(random, each)));
    const socket = await peer.socket();
    for (let at = 0; at < bytes.length;) {
      const count = 1 + below(random, random() < 0.5 ? 20 : 3000);
      socket.write(bytes.subarray(at, at + count));
      at += count;
      if (random() < 0.3) await nextTurn();
    }
    // The end of the connection is the last word for every call that is still open.
    socket.end();
    await Promise.all(calls.map((call) => call.done));
    return calls;
  } finally {
    link.destroy();
    await peer.close();
  }
}

describe('random frames', () => {
  test(`every call ends once, nothing throws (FUZZ_SEED=${START})`, { timeout: fuzzTimeoutMs(20_000) }, async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error) => warnings.push(String(warning.stack));
    process.on('warning', onWarning);
    const outcomes = new Set<string>();
    for (let i = 0; i < ROUNDS; i++) {
      const calls = await round(START + i);
      for (const { record } of calls) {
        expect(record.ends, `FUZZ_SEED=${START + i}`).toBe(1);
        outcomes.add(record.error === undefined ? 'ended' : `failed ${record.error.code}`);
      }
    }
    await nextTurn();
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    // A fuzzer that only ever kills the connection tests nothing else.
    expect(outcomes.size).toBeGreaterThan(2);
  });

  test('a flood of frames that mean nothing does not grow memory', async () => {
    const peer = await startRawPeer();
    const link = openLink(peer.port);
    const call = startCall(link);
    await peer.seen((seen) => seen.type === 1);
    const socket = await peer.socket();
    const parts = [
      frame(99, 0, 0, Buffer.alloc(16_000)),
      frame(8, 0, 1, uint32(1)),
      frame(2, 0, 1, Buffer.alloc(5)),
      frame(99, 0, 5, Buffer.alloc(100)),
    ];
    const piece = Buffer.concat(Array.from({ length: 16 }, () => parts).flat());
    const send = async (count: number) => {
      for (let i = 0; i < count; i++) {
        if (!socket.write(piece)) await new Promise((resolve) => socket.once('drain', resolve));
      }
    };
    await send(40);
    const before = process.memoryUsage();
    await send(200);
    const after = process.memoryUsage();
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(24 * 1024 * 1024);
    socket.write(Buffer.concat([frame(1, 5, 1, Buffer.from([0x88]))]));
    expect((await call.done).head?.status).toBe(200);
    link.destroy();
    await peer.close();
  });

  test('a peer that stops reading stops the uploads', async () => {
    const peer = await startRawPeer(frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])));
    const link = openLink(peer.port);
    const calls = Array.from({ length: 100 }, () => startCall(link));
    const socket = await peer.socket();
    await peer.seen((seen) => seen.type === 1 && seen.streamId === 199);
    peer.send(frame(8, 0, 0, uint32(0x7fff_ffff - 65_535)));
    socket.pause();
    for (const call of calls) upload(call, Buffer.alloc(1_000_000));
    let granted = -1;
    // The kernel's buffers fill, then grants must cease.
    for (let now = 0; now !== granted;) {
      granted = now;
      for (let i = 0; i < 300; i++) await nextTurn();
      now = calls.reduce((sum, call) => sum + call.record.granted, 0);
    }
    expect(granted).toBeLessThan(50_000_000);
    expect(link.isReady()).toBe(true);
    socket.resume();
    const sent = () => peer.frames.reduce((sum, seen) => sum + (seen.type === 0 ? seen.payload.length : 0), 0);
    await peer.seen((seen) => seen.type === 0 && sent() >= 100_000_000);
    expect(sent()).toBe(100_000_000);
    link.destroy();
    for (const call of calls) expect((await call.done).error?.processed).toBe('maybe');
    await peer.close();
  });

  test('a peer that does not read what piles up is cut off', async () => {
    const peer = await startRawPeer(frame(4, 0, 0, Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])));
    const link = openLink(peer.port, { limits: { maxOutboundBytes: 1000 } });
    const call = startCall(link);
    await peer.seen((seen) => seen.type === 1);
    (await peer.socket()).pause();
    peer.send(frame(8, 0, 0, uint32(0x7fff_ffff - 65_535)));
    upload(call, Buffer.alloc(50_000_000));
    expect((await call.done).error).toMatchObject({ message: expect.stringMatching(/does not read/) });
    link.destroy();
    await peer.close();
  });
});
