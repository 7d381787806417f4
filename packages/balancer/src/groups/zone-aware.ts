import type { LocalityPolicy } from '../balancing-policy.ts';
import type { LocalityShare, ZoneHealth } from './locality-shares.ts';

type ZoneAware = Extract<LocalityPolicy, { readonly kind: 'zone-aware' }>;

/** Shares are counted in hundredths of a percent. */
const ALL = 10_000;

/**
 * Keeps calls in the own zone as far as its members are not loaded more than others: with a share of the healthy
 * members at least as large as the zone's share of callers, all of them; else the part that it has room for, and the
 * rest goes to zones by the room they have left. Undefined where zones are not looked at: a single one, nobody healthy
 * in the own one, too few members.
 *
 * Envoy takes the callers' shares from its own cluster. Here they are `peersByZone`; without it callers count as spread
 * evenly over the zones that have members.
 * Source: Envoy, zone_aware.rst and `ZoneAwareLoadBalancerBase::regenerateLocalityRoutingStructures`.
 */
export function zoneAwareShares(zones: readonly ZoneHealth[], policy: ZoneAware): LocalityShare[] | undefined {
  const healthy = zones.reduce((sum, zone) => sum + zone.healthy, 0);
  const own = zones.find(({ zone }) => zone === policy.ownZone);
  if (zones.length < 2 || own === undefined || own.healthy === 0 || healthy < policy.minEndpoints) return undefined;
  const callers = callerShares(zones, policy);
  const members = new Map(zones.map((zone) => [zone.zone, Math.floor((ALL * zone.healthy) / healthy)]));
  const room = (zone: string): number => Math.max(0, (members.get(zone) ?? 0) - (callers.get(zone) ?? 0));
  const others = zones.filter((zone) => zone !== own).map(({ zone }) => ({ zone, room: room(zone) }));
  const totalRoom = others.reduce((sum, zone) => sum + zone.room, 0);
  const kept = keptShare(members.get(own.zone) ?? 0, callers.get(own.zone) ?? 0, totalRoom);
  const enabled = Math.min(100, Math.max(0, policy.enabledPercent)) / 100;
  const shares: LocalityShare[] = [{ zone: own.zone, share: kept * enabled }];
  for (const { zone, room: share } of others) {
    shares.push({ zone, share: totalRoom === 0 ? 0 : ((ALL - kept) * enabled * share) / totalRoom });
  }
  if (enabled < 1) shares.push({ zone: undefined, share: ALL * (1 - enabled) });
  return shares;
}

/** Part of the own zone's calls that stays in it. Without room anywhere, which comes of rounding alone, all of it. */
function keptShare(members: number, callers: number, totalRoom: number): number {
  if (members >= callers || totalRoom === 0) return ALL;
  return Math.floor((members * ALL) / callers);
}

function callerShares(zones: readonly ZoneHealth[], { peersByZone }: ZoneAware): Map<string, number> {
  if (peersByZone === undefined) {
    const even = Math.floor(ALL / zones.length);
    return new Map(zones.map(({ zone }) => [zone, even]));
  }
  const peers = Object.entries(peersByZone);
  const total = peers.reduce((sum, [, count]) => sum + count, 0);
  return new Map(peers.map(([zone, count]) => [zone, total === 0 ? 0 : Math.floor((ALL * count) / total)]));
}
