import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { findHash, sortHashes, type HashOrder } from '../../src/policies/hash-order.ts';
import { Work } from '../../src/policies/hash-work.ts';
import { runToEnd } from './rig.ts';

const wide = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);

function sorted(hashes: readonly (readonly [number, number])[]): HashOrder {
  return runToEnd(
    sortHashes(
      Uint32Array.from(hashes, ([high]) => high),
      Uint32Array.from(hashes, ([, low]) => low),
      Uint32Array.from(hashes.keys()),
      new Work(),
    ),
  );
}

// Halves that are equal or at the ends, which random hashes never are.
const half = fc.oneof(
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
  fc.integer({ min: 0, max: 0xffff_ffff }),
);
const hash = fc.tuple(half, half);

it('sorts by all 64 bits, and keeps the order of equals', () => {
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 300 }), (hashes) => {
      const { highs, lows, owners } = sorted(hashes);
      const expected = hashes
        .map(([high, low], owner) => ({ at: wide(high, low), owner }))
        .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.owner - b.owner));
      expect([...highs].map((high, index) => wide(high, lows[index] as number))).toEqual(expected.map(({ at }) => at));
      expect([...owners]).toEqual(expected.map(({ owner }) => owner));
    }),
    fuzzing(500),
  );
});

it('finds the first that is not below', () => {
  fc.assert(
    fc.property(fc.array(hash, { maxLength: 200 }), fc.array(hash, { maxLength: 50 }), (hashes, others) => {
      const order = sorted(hashes);
      const all = [...order.highs].map((high, index) => wide(high, order.lows[index] as number));
      for (const [high, low] of [...others, ...hashes]) {
        const index = all.findIndex((at) => at >= wide(high, low));
        expect(findHash(order, high, low)).toBe(index === -1 ? all.length : index);
      }
    }),
    fuzzing(500),
  );
});
