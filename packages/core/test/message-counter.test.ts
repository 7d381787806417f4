import { describe, expect, it } from 'vitest';
import { createRandom } from '../src/clock.ts';
import { MessageCounter } from '../src/message-counter.ts';

function framesOf(lengths: readonly number[]): Uint8Array {
  const parts = lengths.map((length) => {
    const frame = Buffer.alloc(5 + length, 0xff);
    frame[0] = length % 2;
    frame.writeUInt32BE(length, 1);
    return frame;
  });
  return Buffer.concat(parts);
}

describe('messages of a stream', () => {
  it('are counted wherever their bytes are cut', () => {
    const random = createRandom(7);
    for (let round = 0; round < 200; round++) {
      const lengths = Array.from({ length: Math.floor(random() * 20) }, () => Math.floor(random() ** 3 * 300));
      const bytes = framesOf(lengths);
      const counter = new MessageCounter();
      let counted = 0;
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + Math.floor(random() * 40);
        counted += counter.count(bytes.subarray(at, end));
        at = end;
      }
      expect(counted).toBe(lengths.length);
      expect(counter.longest).toBe(Math.max(0, ...lengths));
    }
  });

  it('count once their prefix is whole, however long they say they are', () => {
    const counter = new MessageCounter();
    expect(counter.count(Uint8Array.of(0, 0xff, 0xff, 0xff))).toBe(0);
    expect(counter.count(Uint8Array.of(0xff))).toBe(1);
    expect(counter.longest).toBe(0xffff_ffff);
    expect(counter.count(new Uint8Array(1_000))).toBe(0);
  });
});
