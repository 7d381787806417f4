import { expect, it } from 'vitest';
import { fuzzing } from '../../../test/support/src/fuzz.ts';
import { createRandom } from '../src/clock.ts';
import { KeptBytes } from '../src/kept-bytes.ts';

it('gives back what it was given, whatever the pieces', () => {
  const { seed } = fuzzing(1);
  const random = createRandom(seed);
  for (let round = 0; round < 200; round++) {
    const kept = new KeptBytes();
    const all: Uint8Array[] = [];
    for (let i = 0; i < 30; i++) {
      const bytes = Buffer.alloc(Math.floor(random() ** 4 * 20_000), i + 1);
      all.push(Uint8Array.from(bytes));
      kept.append(bytes);
      // Lent bytes change once they are given.
      bytes.fill(0);
    }
    const expected = Buffer.concat(all);
    expect(kept.size, `FUZZ_SEED=${seed}`).toBe(expected.length);
    expect(Buffer.concat(kept.takeAll()).equals(expected), `FUZZ_SEED=${seed}`).toBe(true);
    expect(kept.size).toBe(0);
    expect(kept.takeAll()).toEqual([]);
  }
});

it('keeps single bytes in few blocks', () => {
  const kept = new KeptBytes();
  for (let i = 0; i < 100_000; i++) kept.append(Uint8Array.of(i));
  const pieces = kept.takeAll();
  expect(pieces.length).toBeLessThan(30);
  const buffers = new Set(pieces.map(({ buffer }) => buffer));
  expect([...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0)).toBeLessThan(210_000);
});
