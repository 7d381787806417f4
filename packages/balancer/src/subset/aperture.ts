import type { SubsetPolicy } from '../balancing-policy.ts';
import type { Share, Subsettable } from './index.ts';

type Aperture = Extract<SubsetPolicy, { readonly kind: 'aperture' }>;

/** Parts of a member smaller than this come of rounding. */
const NOTHING = 1e-9;

/**
 * Deterministic aperture: members stand on a ring in an order that is the same for all processes, and process k of C
 * uses the arc that begins at k/C and is as many whole C-ths wide as hold at least `minAperture` members. The arcs of
 * all processes cover each place of the ring equally often, so all together load each member by its weight; a member at
 * an edge counts by the part of it inside. A ring has one length per member whatever its weight.
 * Source: Finagle, `DeterministicAperture.dApertureWidth` and `Ring.weight`.
 */
export function apertureSubset<T extends Subsettable>(members: readonly T[], policy: Aperture): Share<T>[] {
  const size = members.length;
  if (size === 0) return [];
  const peerCount = Math.max(1, Math.floor(policy.peerCount));
  const peerIndex = ((Math.floor(policy.peerIndex) % peerCount) + peerCount) % peerCount;
  const aperture = Math.min(size, Math.max(1, Math.floor(policy.minAperture)));
  // In whole numbers, since 0.1 * 3 / 0.1 must not count as more than 3.
  const units = Math.min(peerCount, Math.ceil((aperture * peerCount) / size));
  const ring = members.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  if (units === peerCount) return ring.map((member) => ({ member, share: 1 }));
  // Places are counted in members: the arc goes from `begin` to `end`, and `end` may lie beyond the seam.
  const begin = (peerIndex * size) / peerCount;
  const end = ((peerIndex + units) * size) / peerCount;
  const shares: Share<T>[] = [];
  for (let place = Math.floor(begin); place < end; place++) {
    const share = Math.min(end, place + 1) - Math.max(begin, place);
    if (share > NOTHING) add(shares, ring[place % size] as T, share);
  }
  return shares;
}

/** An arc that almost meets itself can hold both ends of one member. */
function add<T>(shares: Share<T>[], member: T, share: number): void {
  const first = shares[0];
  if (first?.member === member) shares[0] = { member, share: Math.min(1, first.share + share) };
  else shares.push({ member, share });
}
