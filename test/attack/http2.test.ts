import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeFrame, FrameKind } from '../chaos/frames.ts';
import { eventually, pause } from '../e2e/rig/eventually.ts';
import {
  attack,
  callFields,
  flood,
  message,
  openCall,
  PREFACE,
  RareFrame,
  SETTINGS,
  uint32,
  type Attacker,
} from './attacker.ts';
import { startVictim, type Victim } from './victim.ts';

const MIB = 1_048_576;
const EMPTY = Buffer.alloc(0);
const HELLO = Buffer.concat([PREFACE, SETTINGS]);
/** Without it a peer is cut off for that. */
const SETTINGS_TAKEN = encodeFrame(FrameKind.settings, 1, 0);

let victim: Victim;
beforeAll(async () => {
  victim = await startVictim();
});
afterAll(() => victim[Symbol.asyncDispose]());

interface Judged {
  /** Kinds of abuse of which at least one must have been counted. */
  readonly counts: readonly string[];
  /** False where the attack is one that a connection may survive. */
  readonly closes?: boolean;
  readonly reads?: boolean;
}

/**
 * Runs an attack with good traffic beside it. None of that may be lost, the attacker is cut off, a counter tells of
 * it, memory stays where it was and no call is left open.
 */
async function judge(judged: Judged, run: (attacker: Attacker) => Promise<unknown>): Promise<void> {
  const memory = await victim.memoryBytes();
  const before = await victim.abuse();
  const good = victim.startGoodTraffic();
  const attacker = await attack(victim.port, { reads: judged.reads ?? true });
  try {
    await attacker.send(HELLO);
    await run(attacker);
    // A peer that has read nothing does not see the end before it has.
    attacker.socket.resume();
    if (judged.closes !== false)
      await eventually(() => expect(attacker.isClosed(), 'the attacker was cut off').toBe(true));
    await eventually(async () => {
      const after = await victim.abuse();
      const moved = Object.keys(after).filter((kind) => (after[kind] ?? 0) > (before[kind] ?? 0));
      expect(
        moved.some((kind) => judged.counts.includes(kind)),
        `counters that moved: ${moved.join(', ')}`,
      ).toBe(true);
    });
  } finally {
    attacker[Symbol.dispose]();
    expect((await good.stop()).lost).toEqual([]);
  }
  await eventually(async () => expect(await victim.operator.openCalls()).toEqual([]));
  expect((await victim.memoryBytes()) - memory, 'memory beside before').toBeLessThan(64 * MIB);
}

describe('floods', () => {
  test('rapid reset: HEADERS and RST_STREAM, a hundred thousand times', async () => {
    const before = victim.work.started;
    let sent = 0;
    await judge({ counts: ['rapid-reset'] }, async (attacker) => {
      sent = await flood(attacker, 100_000, 500, (i) => {
        const id = 1 + 2 * i;
        const call = encodeFrame(FrameKind.data, FrameKind.endStream, id, message('hang'));
        return Buffer.concat([openCall(id), call, encodeFrame(FrameKind.reset, 0, id, uint32(8))]);
      });
    });
    expect(sent).toBeGreaterThan(200);
    // A burst and one window of streams; the rest never reached anybody.
    expect(victim.work.started - before).toBeLessThan(1_000);
    await eventually(() => expect(victim.work.running, 'calls that go on at the backend').toBe(0));
  });

  test.each([
    ['WINDOW_UPDATE of 0', (id: number) => encodeFrame(FrameKind.windowUpdate, 0, id, uint32(0))],
    [
      'a window that overflows',
      (id: number) => Buffer.concat([1, 2].map(() => encodeFrame(FrameKind.windowUpdate, 0, id, uint32(0x7fff_ffff)))),
    ],
    ['DATA behind the end', (id: number) => encodeFrame(FrameKind.data, 0, id, Buffer.alloc(10))],
    ['HEADERS behind the end', (id: number) => openCall(id)],
    ['PRIORITY of a wrong length', (id: number) => encodeFrame(RareFrame.priority, 0, id, Buffer.alloc(4))],
    [
      'PRIORITY of a stream on itself',
      (id: number) => encodeFrame(RareFrame.priority, 0, id, Buffer.concat([uint32(id), Buffer.of(1)])),
    ],
  ])('resets that the peer provokes: %s', async (_name, provoke) => {
    const before = victim.work.started;
    await judge({ counts: ['provoked-reset', 'rapid-reset', 'protocol-error', 'window-overflow'] }, (attacker) =>
      flood(attacker, 20_000, 200, (i) => {
        const id = 1 + 2 * i;
        const last = encodeFrame(FrameKind.data, FrameKind.endStream, id, message('hang'));
        return Buffer.concat([openCall(id), last, provoke(id)]);
      }),
    );
    expect(victim.work.started - before).toBeLessThan(1_000);
    await eventually(() => expect(victim.work.running, 'calls that go on at the backend').toBe(0));
  });

  test.each([200, 0])('CONTINUATION without end, of %i bytes each', async (bytes) => {
    let sent = 0;
    await judge({ counts: ['continuation-flood', 'header-list-size'] }, async (attacker) => {
      await attacker.send(openCall(1, 'Say', 0));
      const piece = encodeFrame(RareFrame.continuation, 0, 1, Buffer.alloc(bytes, 0x82));
      sent = await flood(attacker, 10_000, 1, () => piece);
    });
    expect(sent).toBeLessThan(10_000);
  });

  test('HPACK bomb: one large entry, named thirty thousand times', async () => {
    await judge({ counts: ['header-list-size'], closes: false }, async (attacker) => {
      const name = Buffer.from('x');
      const value = Buffer.alloc(3_900, 0x61);
      // Literal with incremental indexing; 3,900 is 127 + 0x3bd in the prefix encoding.
      const entry = Buffer.concat([Buffer.of(0x40, 1), name, Buffer.of(0x7f, 0xbd, 0x1d), value]);
      await attacker.send(
        encodeFrame(FrameKind.headers, FrameKind.endHeaders, 1, Buffer.concat([callFields('Say'), entry])),
      );
      for (let id = 3; id < 40 && !attacker.isClosed(); id += 2) {
        const block = Buffer.concat([callFields('Say'), Buffer.alloc(10_000, 0xbe)]);
        await attacker.send(encodeFrame(FrameKind.headers, FrameKind.endHeaders | FrameKind.endStream, id, block));
      }
    });
  });

  test.each([true, false])('SETTINGS, by a peer that reads: %s', (reads) =>
    judge({ counts: ['settings-flood', 'unread-answers'], reads }, (attacker) =>
      flood(attacker, 50_000, 500, () => SETTINGS),
    ),
  );

  test.each([true, false])('PING, by a peer that reads: %s', (reads) => {
    const ping = encodeFrame(FrameKind.ping, 0, 0, Buffer.alloc(8));
    return judge({ counts: ['ping-flood', 'unread-answers'], reads }, (attacker) =>
      flood(attacker, 50_000, 500, () => ping),
    );
  });

  test.each([
    ['empty', EMPTY, 0],
    ['of one byte with padding', Buffer.concat([Buffer.of(200, 0), Buffer.alloc(200)]), 8],
  ])('DATA %s', (_name, payload, flags) =>
    judge({ counts: ['empty-data-flood'] }, async (attacker) => {
      await attacker.send(openCall(1, 'Blob'));
      await flood(attacker, 20_000, 200, () => encodeFrame(FrameKind.data, flags, 1, payload));
    }),
  );

  test('a connection window that overflows, on two hundred connections', async () => {
    await judge({ counts: ['window-overflow'] }, async (first) => {
      const overflow = encodeFrame(FrameKind.windowUpdate, 0, 0, uint32(0x7fff_ffff));
      const others = await Promise.all(Array.from({ length: 200 }, () => attack(victim.port)));
      await Promise.all(others.map((other) => other.send(Buffer.concat([HELLO, overflow]))));
      await first.send(overflow);
      await Promise.all([...others, first].map(({ closed }) => closed));
      for (const other of others) expect(other.seen().goaway).toEqual([3]);
    });
  });

  test('a header table of four gigabytes changes nothing', async () => {
    const memory = await victim.memoryBytes();
    using attacker = await attack(victim.port);
    const setting = Buffer.concat([Buffer.of(0, 1), uint32(0xffff_ffff)]);
    await attacker.send(Buffer.concat([PREFACE, encodeFrame(FrameKind.settings, 0, 0, setting)]));
    for (let id = 1; id < 200; id += 2) {
      const call = encodeFrame(FrameKind.data, FrameKind.endStream, id, message('hello'));
      await attacker.send(Buffer.concat([openCall(id), call]));
    }
    await eventually(() => expect(attacker.received()).toBeGreaterThan(100 * 20));
    expect(attacker.seen().resets).toBe(0);
    expect((await victim.memoryBytes()) - memory).toBeLessThan(64 * MIB);
  });
});

describe('peers that wait', () => {
  test('in the preface, in SETTINGS and in a header block are cut off', async () => {
    const good = victim.startGoodTraffic();
    const openings: (readonly [string, Buffer])[] = [
      ['nothing', EMPTY],
      ['half a preface', PREFACE.subarray(0, 12)],
      ['a preface without SETTINGS', PREFACE],
      ['a header block without end', Buffer.concat([HELLO, SETTINGS_TAKEN, openCall(1, 'Say', 0)])],
      ['a frame cut short', Buffer.concat([HELLO, SETTINGS_TAKEN, openCall(1).subarray(0, 20)])],
    ];
    const attackers = await Promise.all(
      openings.flatMap(([name, bytes]) =>
        Array.from({ length: 50 }, async () => {
          const attacker = await attack(victim.port);
          await attacker.send(bytes);
          return { name, attacker };
        }),
      ),
    );
    try {
      await eventually(
        () =>
          expect([
            ...new Set(attackers.filter(({ attacker }) => !attacker.isClosed()).map(({ name }) => name)),
          ]).toEqual([]),
        30_000,
      );
    } finally {
      for (const { attacker } of attackers) attacker[Symbol.dispose]();
      expect((await good.stop()).lost).toEqual([]);
    }
    await eventually(async () => {
      const counted = await victim.abuse();
      expect(counted['slow-preface']).toBeGreaterThanOrEqual(150);
      expect(counted['slow-head']).toBeGreaterThanOrEqual(100);
    });
  });

  test('with a window of zero hold no more than their share', async () => {
    const memory = await victim.memoryBytes();
    const good = victim.startGoodTraffic();
    using attacker = await attack(victim.port);
    const zero = Buffer.concat([Buffer.of(0, 4), uint32(0)]);
    await attacker.send(Buffer.concat([PREFACE, encodeFrame(FrameKind.settings, 0, 0, zero)]));
    // Int32Value of 1,000: sixty megabytes for each stream, if anybody took them.
    const ask = Buffer.of(0, 0, 0, 0, 3, 8, 0xe8, 7);
    for (let id = 1; id < 2 * 120; id += 2) {
      await attacker.send(
        Buffer.concat([openCall(id, 'Flood'), encodeFrame(FrameKind.data, FrameKind.endStream, id, ask)]),
      );
    }
    await pause(1_000);
    expect((await victim.memoryBytes()) - memory).toBeLessThan(64 * MIB);
    attacker[Symbol.dispose]();
    expect((await good.stop()).lost).toEqual([]);
    await eventually(async () => expect(await victim.operator.openCalls()).toEqual([]));
  });
});
