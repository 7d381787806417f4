import { expect, it } from 'vitest';
import { hash64, hash64Into } from '../src/index.ts';

const hex = ({ high, low }: { high: number; low: number }): string =>
  high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

it.each([
  ['', 'ef46db3751d8e999'],
  ['a', 'd24ec4f1a98c6e5b'],
  ['as', '1c330fb2d66be179'],
  ['asd', '631c37ce72a97393'],
  ['asdf', '415872f599cea71e'],
  // Exactly 32 bytes and more: the way of four lanes.
  ['Call me Ishmael. Some years ago--never mind how long precisely-', '02a2e85470d6fd96'],
])('gives the known hash of %j', (text, expected) => {
  expect(hex(hash64(text))).toBe(expected);
});

it('takes both halves of a seed', () => {
  const hashes = [hash64('key'), hash64('key', 1), hash64('key', 0, 1), hash64('key', 0xffff_ffff, 0xffff_ffff)];
  expect(new Set(hashes.map(hex)).size).toBe(4);
  // A seed may be given as it is, or as what bit operations make of it.
  expect(hash64('key', -1, -1)).toEqual(hash64('key', 0xffff_ffff, 0xffff_ffff));
});

it('writes whole numbers of 32 bits that are not negative', () => {
  const out = { high: 0, low: 0 };
  for (let index = 0; index < 1_000; index++) {
    hash64Into(`key ${index}`, out);
    expect(out).toEqual({ high: out.high >>> 0, low: out.low >>> 0 });
    expect(out).toEqual(hash64(`key ${index}`));
  }
});
