import type { Share, Subsettable } from './index.ts';
import { orderByHash } from './order.ts';

/**
 * The first `size` members in the order of their hashes under this process' seed. Coming or going of one member changes
 * at most one entry. Seeds should differ between processes, or all of them choose the same members; a seed is a whole
 * number of up to 53 bits. Source: gRFC A68 (random subsetting), which orders by a salted hash in the same way.
 */
export function randomSubset<T extends Subsettable>(members: readonly T[], size: number, seed: number): Share<T>[] {
  const count = Math.max(1, Math.floor(size));
  const chosen =
    members.length <= count ? members : orderByHash(members, seed, Math.floor(seed / 0x1_0000_0000)).slice(0, count);
  return chosen.map((member) => ({ member, share: 1 }));
}
