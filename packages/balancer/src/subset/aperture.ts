import type { SubsetPolicy } from '../balancing-policy.ts';
import type { Share, Subsettable } from './index.ts';
import { orderByHash } from './order.ts';

type Aperture = Extract<SubsetPolicy, { readonly kind: 'aperture' }>;

/** Shares and widths smaller than this come of rounding. */
const NOTHING = 1e-9;

/**
 * Deterministic aperture: members stand on a ring in an order that is the same for all processes, each as long as its
 * weight. Process k of C uses the arc that begins at k/C; a member at an edge counts by the part of it inside. All arcs
 * are the same whole number of C-ths wide, so together they cover each place equally often, and all processes together
 * load each member by its weight. That number is the smallest with which every arc holds `minAperture` members.
 * Source: Finagle, `DeterministicAperture.dApertureWidth` and `Ring.weight`, with lengths by weight.
 */
export function apertureSubset<T extends Subsettable>(members: readonly T[], policy: Aperture): Share<T>[] {
  const ring = orderByHash(members);
  const total = ring.reduce((sum, { weight }) => sum + weight, 0);
  const peerCount = Math.max(1, Math.floor(policy.peerCount));
  const aperture = Math.max(1, Math.floor(policy.minAperture));
  // Without any weight there is nothing to go by.
  const width = aperture < ring.length && total > 0 ? longestRun(ring, aperture) / total : 1;
  const units = Math.ceil(width * peerCount - NOTHING);
  if (units >= peerCount) return ring.map((member) => ({ member, share: 1 }));
  const peerIndex = ((Math.floor(policy.peerIndex) % peerCount) + peerCount) % peerCount;
  return arcOf(ring, (peerIndex * total) / peerCount, ((peerIndex + units) * total) / peerCount);
}

/** Length of the longest `count` neighbours: an arc as wide holds at least so many, wherever it begins. */
function longestRun(ring: readonly Subsettable[], count: number): number {
  const weightAt = (place: number): number => (ring[place % ring.length] as Subsettable).weight;
  let run = 0;
  for (let place = 0; place < count; place++) run += weightAt(place);
  let longest = run;
  for (let place = 0; place < ring.length; place++) {
    run += weightAt(place + count) - weightAt(place);
    longest = Math.max(longest, run);
  }
  return longest;
}

/** What lies between `begin` and `end`, which may be beyond the seam. */
function arcOf<T extends Subsettable>(ring: readonly T[], begin: number, end: number): Share<T>[] {
  const total = ring.reduce((sum, { weight }) => sum + weight, 0);
  const shares: Share<T>[] = [];
  let at = 0;
  for (const member of ring) {
    const { weight } = member;
    // An arc that nearly meets itself can hold both ends of one member.
    const inside = overlap(at, at + weight, begin, end) + overlap(at + total, at + total + weight, begin, end);
    if (inside > NOTHING * weight) shares.push({ member, share: Math.min(1, inside / weight) });
    at += weight;
  }
  return shares;
}

function overlap(begin: number, end: number, otherBegin: number, otherEnd: number): number {
  return Math.max(0, Math.min(end, otherEnd) - Math.max(begin, otherBegin));
}
