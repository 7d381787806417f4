import { hash64, hash64Into } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';

const judge = await xxhash();

const joined = ({ high, low }: { high: number; low: number }): bigint => (BigInt(high) << 32n) | BigInt(low);

it('agrees with the reference on every length up to 300 bytes', () => {
  const out = { high: 0, low: 0 };
  for (let length = 0; length <= 300; length++) {
    const bytes = Uint8Array.from({ length }, (_, index) => (index * 197 + length * 31) & 0xff);
    hash64Into(bytes, out);
    expect(joined(out), `${length} bytes`).toBe(judge.h64Raw(bytes));
  }
});

it('agrees with the reference on any bytes and any seed', () => {
  const out = { high: 0, low: 0 };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.bigInt(0n, (1n << 64n) - 1n), (bytes, seed) => {
      hash64Into(bytes, out, Number(seed & 0xffffffffn), Number(seed >> 32n));
      return joined(out) === judge.h64Raw(bytes, seed);
    }),
    fuzzing(2_000),
  );
});

it('agrees with the reference on any text, hashed as UTF-8', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 150 }),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.string({ unit: 'binary', maxLength: 60 }),
    // Halves of pairs that stand alone, at any place.
    fc.array(fc.integer({ min: 0xd700, max: 0xe0ff }), { maxLength: 40 }).map((codes) => String.fromCharCode(...codes)),
  );
  fc.assert(
    fc.property(text, (value) => joined(hash64(value)) === judge.h64Raw(new TextEncoder().encode(value))),
    fuzzing(400),
  );
});

it('takes texts longer than any before', () => {
  for (const length of [255, 256, 257, 10_000, 3]) {
    const text = 'ä'.repeat(length);
    expect(joined(hash64(text))).toBe(judge.h64Raw(new TextEncoder().encode(text)));
  }
});
