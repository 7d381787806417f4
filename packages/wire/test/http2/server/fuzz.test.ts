import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRandom, systemClock, type Reply, type Service } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { listen } from '../../../src/listener.ts';
import { frame, uint32 } from '../frame.ts';
import { END_HEADERS, END_STREAM, Kind, open, PADDED, PRIORITY, request } from './rig.ts';

const FUZZING = fuzzing(300);
const STREAMS = 6;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** What a service may do with a call, chosen by its path; it breaks the law as well. */
function createWildService(notes: { doubleEnds: number }): Service {
  return (head, reply) => {
    let isOver = false;
    const over = (): void => {
      if (isOver) notes.doubleEnds += 1;
      isOver = true;
    };
    const random = createRandom(head.path.length * 7 + head.path.charCodeAt(head.path.length - 1));
    const answer = (): void => act(reply, random);
    return {
      write(bytes) {
        if (isOver) notes.doubleEnds += 1;
        if (random() < 0.7) reply.grant(bytes.length);
        if (random() < 0.1) throw new Error('a service that breaks');
        if (random() < 0.3) answer();
      },
      end() {
        if (random() < 0.8) answer();
      },
      cancel: over,
      grant(bytes) {
        if (random() < 0.5) reply.write(new Uint8Array(Math.min(bytes, 5_000)));
      },
    };
  };
}

function act(reply: Reply, random: () => number): void {
  if (random() < 0.9) reply.head({ status: random() < 0.9 ? 200 : 50, fields: ['x-a', 'b', 'x-bad', 'a\nb'] });
  if (random() < 0.7) reply.write(new Uint8Array(Math.trunc(random() * 30_000)));
  if (random() < 0.8) reply.end(random() < 0.5 ? [] : ['grpc-status', '0']);
}

const streamId = fc.oneof(
  { weight: 9, arbitrary: fc.integer({ min: 0, max: STREAMS - 1 }).map((i) => 1 + 2 * i) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 40 }) },
);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((each) => Buffer.from(each));
const path = fc.string({ maxLength: 6 }).map((text) => `/${text}`);

const lawful = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(streamId, fc.boolean(), path).map(([id, ends, to]) => open(id, ends ? 1 : 0, to)) },
  {
    weight: 5,
    arbitrary: fc
      .tuple(streamId, fc.boolean(), bytes(2_000))
      .map(([id, ends, data]) => frame(Kind.data, ends ? END_STREAM : 0, id, data)),
  },
  fc
    .tuple(streamId, bytes(50), fc.nat(30))
    .map(([id, data, pad]) => frame(Kind.data, PADDED, id, Buffer.concat([Buffer.of(pad), data, Buffer.alloc(pad)]))),
  fc.tuple(streamId, fc.nat(100_000)).map(([id, by]) => frame(Kind.windowUpdate, 0, id, uint32(by))),
  fc.tuple(streamId, fc.nat(13)).map(([id, code]) => frame(Kind.reset, 0, id, uint32(code))),
  fc
    .tuple(fc.integer({ min: 1, max: 8 }), fc.nat(100_000))
    .map(([id, value]) => frame(Kind.settings, 0, 0, Buffer.concat([Buffer.of(0, id), uint32(value)]))),
  fc.constant(frame(Kind.settings, 1, 0)),
  bytes(8).map((each) => frame(Kind.ping, 0, 0, Buffer.concat([each, Buffer.alloc(8 - each.length)]))),
  fc
    .tuple(streamId, fc.nat(20))
    .map(([id, on]) => frame(Kind.priority, 0, id, Buffer.concat([uint32(on), Buffer.of(1)]))),
  streamId.map((id) =>
    Buffer.concat([
      frame(Kind.headers, PRIORITY, id, Buffer.concat([Buffer.alloc(5), request()])),
      frame(Kind.continuation, END_HEADERS, id),
    ]),
  ),
  fc.constant(frame(Kind.goaway, 0, 0, uint32(0, 0))),
);
const wild = fc
  .tuple(fc.nat(255), fc.nat(255), streamId, bytes(60))
  .map(([type, flags, id, payload]) => frame(type, flags, id, payload));
const mutated = fc.tuple(lawful, fc.nat(), fc.nat(255)).map(([each, at, value]) => {
  const copy = Buffer.from(each);
  copy[at % copy.length] = value;
  return copy;
});
const conversation = fc.record({
  frames: fc.array(
    fc.oneof({ weight: 30, arbitrary: lawful }, { weight: 1, arbitrary: wild }, { weight: 1, arbitrary: mutated }),
    { maxLength: 60 },
  ),
  cuts: fc.array(fc.integer({ min: 1, max: 3_000 }), { maxLength: 30 }),
  ending: fc.constantFrom('end', 'destroy'),
});

async function talk(port: number, { frames, cuts, ending }: { frames: Buffer[]; cuts: number[]; ending: string }) {
  const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const received: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => void received.push(chunk));
  const closed = new Promise((resolve) => void socket.once('close', resolve));
  const ended = new Promise((resolve) => void socket.once('end', resolve));
  await once(socket, 'connect');
  const all = Buffer.concat([PREFACE, frame(Kind.settings, 0, 0), ...frames]);
  for (let at = 0, i = 0; at < all.length && !socket.destroyed; i++) {
    const count = cuts[i] ?? all.length;
    socket.write(all.subarray(at, at + count));
    at += count;
    if (i % 3 === 0) await nextTurn();
  }
  if (ending === 'end') {
    socket.end();
    // Answers that wait for a window would wait for it: nobody opens it any more.
    await Promise.race([ended, closed, nextTurn().then(() => nextTurn())]);
  }
  socket.destroy();
  await closed;
  return checkFrames(Buffer.concat(received));
}

/** Every byte of an answer is in a sound frame, none is on a stream behind its end, and GOAWAY is the last word. */
function checkFrames(all: Buffer): Set<number> {
  const kinds = new Set<number>();
  const ended = new Set<number>();
  let at = 0;
  for (; at + 9 <= all.length && at + 9 + all.readUIntBE(at, 3) <= all.length; at += 9 + all.readUIntBE(at, 3)) {
    const [type, flags, id] = [all[at + 3] ?? 0, all[at + 4] ?? 0, all.readUInt32BE(at + 5)];
    expect(type).toBeLessThanOrEqual(9);
    if (type === Kind.data || type === Kind.headers) {
      expect(ended.has(id), `stream ${id} goes on behind its end`).toBe(false);
      expect(id % 2).toBe(1);
      if ((flags & END_STREAM) !== 0) ended.add(id);
    }
    if (type === Kind.reset) ended.add(id);
    kinds.add(type);
  }
  return kinds;
}

test(
  `no bytes of a client crash a listener or leave a call behind (FUZZ_SEED=${FUZZING.seed})`,
  { timeout: fuzzTimeoutMs(60_000) },
  async () => {
    const notes = { doubleEnds: 0 };
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(String(warning.stack));
    process.on('warning', onWarning);
    const listener = await listen({
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      service: createWildService(notes),
    });
    const kinds = new Set<number>();
    try {
      await fc.assert(
        fc.asyncProperty(conversation, async (each) => {
          for (const kind of await talk(listener.port, each)) kinds.add(kind);
        }),
        { ...FUZZING, endOnFailure: true },
      );
      await expect.poll(() => listener.openCalls()).toBe(0);
      expect(notes.doubleEnds).toBe(0);
      await nextTurn();
      expect(warnings).toEqual([]);
      // A fuzzer that only ever kills the connection tests nothing else.
      expect([...kinds].toSorted((a, b) => a - b)).toEqual([0, 1, 3, 4, 6, 7, 8]);
    } finally {
      process.off('warning', onWarning);
      await listener.close(0);
    }
  },
);
