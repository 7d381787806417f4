import { hash64Into } from '@bascule/core';
import type { Share, Subsettable } from './index.ts';

/**
 * The `size` members with the lowest XXH64 of their id under this process' seed. Coming or going of one member changes
 * at most one entry. Seeds should differ between processes, or all of them choose the same members.
 * Source: gRFC A68 (random subsetting), which orders by a seeded hash in the same way.
 */
export function randomSubset<T extends Subsettable>(members: readonly T[], size: number, seed: number): Share<T>[] {
  const count = Math.max(1, Math.floor(size));
  if (members.length <= count) return members.map((member) => ({ member, share: 1 }));
  const seedHigh = Math.floor(seed / 0x1_0000_0000);
  const placed = members.map((member) => {
    const place = { high: 0, low: 0, member };
    hash64Into(member.id, place, seed, seedHigh);
    return place;
  });
  // Ids are unique; should two hashes be equal all the same, every run must still choose alike.
  placed.sort((a, b) => a.high - b.high || a.low - b.low || (a.member.id < b.member.id ? -1 : 1));
  return placed.slice(0, count).map(({ member }) => ({ member, share: 1 }));
}
