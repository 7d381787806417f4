import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionExpired, ZookeeperError } from '../../src/peers/zookeeper/errors.ts';
import { FrameReader } from '../../src/peers/zookeeper/frames.ts';
import { JuteError, JuteReader } from '../../src/peers/zookeeper/jute-reader.ts';
import { JuteWriter } from '../../src/peers/zookeeper/jute-writer.ts';
import { deleteNode, exists, getChildren, getData, multi, setData } from '../../src/peers/zookeeper/operations.ts';
import { decodeEvent, decodeGreeting, decodeReplyHeader } from '../../src/peers/zookeeper/packets.ts';

const READERS: readonly ((reader: JuteReader) => unknown)[] = [
  decodeGreeting,
  decodeReplyHeader,
  decodeEvent,
  (reader) => exists('/a', true).read(reader),
  (reader) => getData('/a', true).read(reader),
  (reader) => getChildren('/a', true).read(reader),
  (reader) => multi([setData('/a', new Uint8Array(), 1), deleteNode('/b', 1)]).read(reader),
];

describe("ZooKeeper's records", () => {
  it('are read as they were written', () => {
    const values = fc.tuple(
      fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.boolean(),
      fc.uint8Array({ maxLength: 600 }),
      fc.array(fc.string({ unit: 'grapheme' })),
    );
    fc.assert(
      fc.property(values, ([int, long, bool, bytes, texts]) => {
        const frame = new JuteWriter().int(int).long(long).bool(bool).buffer(bytes).strings(texts).toFrame();
        const reader = new JuteReader(frame.subarray(4));
        const read = [reader.int(), reader.long(), reader.bool(), reader.buffer(), reader.strings()];
        expect(read).toEqual([int, long, bool, bytes, texts]);
      }),
      fuzzing(200),
    );
  });

  it('are never read beyond their end, whatever they say', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    // Lengths that are near to the truth get further than those of chance.
    const nearly = fc.array(
      fc.oneof(
        bytes,
        fc.integer({ min: -3, max: 40 }).map((value) => new JuteWriter().int(value).toFrame().subarray(4)),
      ),
    );
    fc.assert(
      fc.property(fc.nat(READERS.length - 1), nearly, (which, parts) => {
        try {
          READERS[which]?.(new JuteReader(Buffer.concat(parts)));
        } catch (error) {
          const isExpected = [JuteError, SessionExpired, ZookeeperError].some((type) => error instanceof type);
          if (!isExpected) throw error;
        }
      }),
      fuzzing(2_000),
    );
  });

  it('copy what they lend', () => {
    const bytes = new JuteWriter().buffer(Buffer.from('abc')).toFrame();
    const read = new JuteReader(bytes.subarray(4)).buffer();
    bytes.fill(0);
    expect(Buffer.from(read).toString()).toBe('abc');
  });
});

describe("ZooKeeper's frames", () => {
  it('are the same however they arrive', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
    fc.assert(
      fc.property(messages, fc.infiniteStream(fc.integer({ min: 1, max: 90 })), (sent, sizes) => {
        const all = Buffer.concat(sent.map((bytes) => new JuteWriter().buffer(bytes).toFrame().subarray(4)));
        const reader = new FrameReader();
        const received: Uint8Array[] = [];
        for (let at = 0; at < all.length;) {
          const size = sizes.next().value;
          for (const frame of reader.push(all.subarray(at, at + size))) received.push(new Uint8Array(frame));
          at += size;
        }
        expect(received).toEqual(sent.map((bytes) => new Uint8Array(bytes)));
      }),
      fuzzing(200),
    );
  });

  it.each([-1, 8 * 1024 * 1024 + 1, 0x48545450])('of %i bytes are refused before they are waited for', (length) => {
    const reader = new FrameReader();
    const [first, rest] = [
      new JuteWriter().int(length).toFrame().subarray(4, 6),
      new JuteWriter().int(length).toFrame().subarray(6),
    ];
    expect(reader.push(first)).toEqual([]);
    expect(() => reader.push(rest)).toThrow(`a frame of ${length} bytes is not ZooKeeper's`);
  });
});

describe('the answer to a multi', () => {
  const ok = (writer: JuteWriter): JuteWriter => writer.int(2).bool(false).int(0);
  const failed = (writer: JuteWriter, code: number): JuteWriter => writer.int(-1).bool(false).int(code).int(code);
  const end = (writer: JuteWriter): JuteReader =>
    new JuteReader(writer.int(-1).bool(true).int(-1).toFrame().subarray(4));
  const operation = multi([deleteNode('/a', 1), deleteNode('/b', 1)]);

  it('names the operation that failed, and not those that went with it', () => {
    expect(() => operation.read(end(failed(failed(new JuteWriter(), 0), -103)))).toThrow(/\/b: somebody else/);
    expect(() => operation.read(end(failed(failed(new JuteWriter(), -101), -2)))).toThrow(/\/a: there is no such node/);
  });

  it('is silent when all went well, and no answer when there is one too many', () => {
    expect(operation.read(end(ok(ok(new JuteWriter()))))).toBeUndefined();
    expect(() => operation.read(end(ok(ok(ok(new JuteWriter())))))).toThrow(JuteError);
  });
});
