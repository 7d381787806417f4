import { hash64Into } from '@bascule/core';

/**
 * Sorts by the XXH64 of each id under a seed: an order of chance that all processes agree on, and in which who comes or
 * goes moves nobody else.
 */
export function orderByHash<T extends { readonly id: string }>(members: readonly T[], seedLow = 0, seedHigh = 0): T[] {
  const placed = members.map((member) => {
    const place = { high: 0, low: 0, member };
    hash64Into(member.id, place, seedLow, seedHigh);
    return place;
  });
  // Should two hashes be equal, every process must still choose alike.
  placed.sort((a, b) => a.high - b.high || a.low - b.low || (a.member.id < b.member.id ? -1 : 1));
  return placed.map(({ member }) => member);
}
