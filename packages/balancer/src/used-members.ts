import type { BalancingPolicy } from './balancing-policy.ts';
import type { Member } from './member.ts';
import { subsetOf } from './subset/index.ts';

/** What decides which members a way is opened to. */
export type UsePolicy = Pick<BalancingPolicy, 'subset' | 'maxConnections'>;

/** Writes down for each member whether it is used, why not, and with which part of its weight. */
export function chooseUsed(members: readonly Member[], { subset, maxConnections }: UsePolicy): void {
  for (const member of members) {
    member.unusedBecause = subset === undefined ? '' : 'outside the subset';
    member.share = 1;
  }
  if (subset !== undefined) {
    // By weights as configured: a member's own has its share in it, which would feed on itself.
    const placed = members.map((member) => ({ id: member.id, weight: member.endpoint.weight, member }));
    for (const { member: place, share } of subsetOf(placed, subset)) {
      place.member.unusedBecause = '';
      place.member.share = share;
    }
  }
  if (maxConnections === undefined) return;
  const used = members.filter(({ unusedBecause }) => unusedBecause === '');
  // Sorting keeps the order in which they came, so that whoever comes later closes no way that is open.
  const last = used.toSorted((a, b) => a.endpoint.priority - b.endpoint.priority).slice(Math.max(1, maxConnections));
  for (const member of last) member.unusedBecause = `beyond ${maxConnections} connections`;
}
