import * as fc from 'fast-check';
import { createRandom, createVirtualClock } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, test } from 'vitest';
import { backoffMs } from '../../src/http2/client/backoff.ts';
import { ClosedStreams } from '../../src/http2/closed-streams.ts';
import { createReceiveWindow, shouldAnnounce, takeAnnouncement, takeReceived } from '../../src/http2/flow.ts';
import { FrameReader } from '../../src/http2/frames.ts';
import { createRateGuard } from '../../src/http2/guards.ts';
import { HpackDecoder } from '../../src/http2/hpack/decoder.ts';
import { hashOf } from '../../src/http2/block-memory.ts';
import { ResponseBlocks } from '../../src/http2/client/response.ts';
import { transition, type StreamEvent, type StreamState } from '../../src/http2/stream.ts';
import { frame } from './support.ts';

describe('frame reader', () => {
  test('any split of the same bytes gives the same frames', () => {
    const frames = fc.array(
      fc.record({ type: fc.nat(255), flags: fc.nat(255), id: fc.nat(), payload: fc.uint8Array({ maxLength: 300 }) }),
    );
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 200 })), (list, cuts) => {
        const bytes = Buffer.concat(list.map((each) => frame(each.type, each.flags, each.id, each.payload)));
        const seen: { type: number; flags: number; id: number; payload: number[] }[] = [];
        const reader = new FrameReader(16_384, (each) => {
          const payload = [...each.bytes.subarray(each.start, each.end)];
          seen.push({ type: each.type, flags: each.flags, id: each.streamId, payload });
          return true;
        });
        // One buffer for all reads, overwritten each time, as sockets do it.
        const buffer = Buffer.alloc(65_536);
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const count = Math.min(cuts[i] ?? bytes.length, bytes.length - at);
          buffer.fill(0xee);
          bytes.copy(buffer, 0, at, at + count);
          reader.read(buffer, count);
          at += count;
        }
        expect(seen).toEqual(list.map((each) => ({ ...each, payload: [...each.payload] })));
        expect(reader.heldBytes()).toBe(0);
      }),
      fuzzing(100),
    );
  });

  test('stops when told to', () => {
    let count = 0;
    const reader = new FrameReader(16_384, () => {
      count += 1;
      return false;
    });
    const bytes = Buffer.concat([frame(6, 0, 0), frame(6, 0, 0)]);
    reader.read(bytes, bytes.length);
    expect(count).toBe(1);
  });
});

describe('stream states', () => {
  const events: StreamEvent[] = ['open', 'send-end', 'receive-end', 'reset'];

  test.each<[StreamState, StreamEvent[], (StreamState | undefined)[]]>([
    ['idle', events, ['open', undefined, undefined, 'closed']],
    ['open', events, [undefined, 'half-closed-local', 'half-closed-remote', 'closed']],
    ['half-closed-local', events, [undefined, undefined, 'closed', 'closed']],
    ['half-closed-remote', events, [undefined, 'closed', undefined, 'closed']],
    ['closed', events, [undefined, undefined, undefined, 'closed']],
  ])('%s', (state, given, expected) => {
    expect(given.map((event) => transition(state, event))).toEqual(expected);
  });
});

describe('receive window', () => {
  test('never announces beyond 31 bits nor more than was given back, and never leaves a waiting sender without', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(70_000), fc.nat(70_000)), { maxLength: 50 }), (steps) => {
        const window = createReceiveWindow(65_535);
        let given = 0;
        let announced = 0;
        for (const [received, returned] of steps) {
          takeReceived(window, Math.min(received, window.available));
          window.returned += returned;
          given += returned;
          if (shouldAnnounce(window)) announced += takeAnnouncement(window);
          expect(announced).toBeLessThanOrEqual(given);
          if (window.available === 0) expect(announced).toBe(given);
          expect(window.available).toBeLessThanOrEqual(0x7fff_ffff);
        }
      }),
      fuzzing(100),
    );
    const wide = createReceiveWindow(65_535);
    wide.returned = 2 ** 40;
    expect(takeAnnouncement(wide)).toBe(0x7fff_ffff - 65_535);
  });
});

describe('remembered blocks', () => {
  test('equal bytes give the same object; what differs in one byte does not', () => {
    const decoder = new HpackDecoder({ maxTableBytes: 0, maxListBytes: 16_384, maxPairs: 100 });
    const blocks = new ResponseBlocks();
    const read = (hex: string) => {
      const bytes = Buffer.from(hex, 'hex');
      return blocks.read(decoder, bytes, 0, bytes.length);
    };
    // Enters at its second coming.
    read('88000b677270632d7374617475730130');
    const ok = read('88000b677270632d7374617475730130');
    expect(read('88000b677270632d7374617475730130')).toBe(ok);
    expect(read('88000b677270632d7374617475730131').fields).toEqual(['grpc-status', '1']);
    // More different blocks than slots: each still reads as itself.
    for (let i = 0; i < 500; i++) {
      const value = Buffer.from(String(i).padStart(4, '0')).toString('hex');
      expect(read(`8800016104${value}`).fields).toEqual(['a', String(i).padStart(4, '0')]);
    }
  });
});

test('blocks with equal hashes are told apart by their bytes', () => {
  const random = createRandom(11);
  const seen = new Map<number, Buffer>();
  let pair: [Buffer, Buffer] | undefined;
  while (pair === undefined) {
    const value = Array.from({ length: 8 }, () => 97 + Math.trunc(random() * 26));
    const bytes = Buffer.from([0x88, 0, 1, 0x61, 8, ...value]);
    const hash = hashOf(bytes, 0, bytes.length);
    const other = seen.get(hash);
    if (other !== undefined && !other.equals(bytes)) pair = [other, bytes];
    seen.set(hash, bytes);
  }
  const decoder = new HpackDecoder({ maxTableBytes: 0, maxListBytes: 16_384, maxPairs: 100 });
  const blocks = new ResponseBlocks();
  for (const bytes of [pair[0], pair[0], pair[1], pair[1], pair[0]]) {
    const { fields } = blocks.read(decoder, bytes, 0, bytes.length);
    expect(fields).toEqual(['a', bytes.toString('latin1', 5)]);
  }
});

describe('bounds', () => {
  test('closed streams: ours are ignored, the peer resets once, old ones get the benefit of the doubt', () => {
    const closed = new ClosedStreams();
    closed.add(1, 'by-us');
    closed.add(3, 'by-peer');
    expect([closed.meet(1), closed.meet(3), closed.meet(3), closed.meet(5)]).toEqual([
      'ignore',
      'reset',
      'ignore',
      'fault',
    ]);
    for (let id = 7; id < 2100; id += 2) closed.add(id, 'by-us');
    expect([closed.meet(1), closed.meet(5), closed.meet(2101)]).toEqual(['ignore', 'ignore', 'fault']);
  });

  test('rates are counted per second', () => {
    const clock = createVirtualClock();
    const guard = createRateGuard(clock, 2);
    expect([guard.allow(), guard.allow(), guard.allow()]).toEqual([true, true, false]);
    clock.advance(1000);
    expect(guard.allow()).toBe(true);
  });

  test('backoff starts soon, grows by 1.6, and stays within 20 % of 120 s', () => {
    const clock = createVirtualClock(3);
    const within = (failures: number, plainMs: number) => {
      const ms = backoffMs(clock, failures);
      expect(ms).toBeGreaterThanOrEqual(plainMs * 0.8);
      expect(ms).toBeLessThanOrEqual(plainMs * 1.2);
    };
    for (let i = 0; i < 20; i++) {
      within(1, 100);
      within(2, 1000);
      within(3, 1600);
      within(50, 120_000);
    }
  });
});
