import type { BalancingPolicy } from '../balancing-policy.ts';
import type { Member } from '../member.ts';
import type { Picker, Policy } from '../policy.ts';
import { slowStartFactor } from '../slow-start.ts';
import { localityShares, type LocalityShare, type ZoneHealth } from './locality-shares.ts';
import { isInPanic, priorityLoads } from './priority-loads.ts';

/** How calls are shared: by priority, then by zone, then by a policy. Made anew for each change, never changed. */
export interface Plan {
  /** Lowest priority value first; all that have members. */
  readonly tiers: readonly Tier[];
  /** Running sums of the loads of tiers; the last is 0 when nobody can take calls. */
  readonly loadSums: readonly number[];
  /** The tier that gets all calls, where there is one. */
  readonly only: Tier | undefined;
  /** Somebody's weight is still growing. */
  readonly isWarmingUp: boolean;
}

export interface Tier {
  readonly priority: number;
  /** Part of all calls, relative to the loads of other tiers. */
  readonly load: number;
  /** All members are used, whatever speaks against them. */
  readonly isInPanic: boolean;
  readonly total: number;
  readonly healthy: number;
  /** Empty where nobody can take calls. */
  readonly places: readonly Place[];
  readonly shareSums: readonly number[];
}

/** Members among which a policy chooses. */
export interface Place {
  /** Undefined is all zones. */
  readonly zone: string | undefined;
  readonly members: readonly Member[];
  readonly picker: Picker<Member>;
}

/** Policies by priority and zone: each has turns and swings of its own, which outlive the plan. */
export type PolicyStore = (priority: number, zone: string | undefined) => Policy;

export const EMPTY_PLAN: Plan = { tiers: [], loadSums: [], only: undefined, isWarmingUp: false };

/** Members looked at between two pauses: well below a millisecond. */
const STEP_SIZE = 2_048;

/**
 * Makes a plan in steps. Members that change meanwhile are in it as they were or as they are: who picks looks again.
 * In a priority in panic no zone is looked at, as in Envoy. Where nobody at all is healthy, calls go to priorities by
 * the number of members that could be sent a call (Envoy's total panic); without panic they go nowhere.
 */
export function* buildPlan(
  members: Iterable<Member>,
  balancing: BalancingPolicy,
  policies: PolicyStore,
  nowMs: number,
): Generator<undefined, Plan> {
  const { panicPercent, overprovisioningPercent, locality, slowStart } = balancing;
  const groups = new Map<number, Member[]>();
  let seen = 0;
  let isWarmingUp = false;
  for (const member of members) {
    if (++seen % STEP_SIZE === 0) yield;
    const group = groups.get(member.endpoint.priority);
    if (group === undefined) groups.set(member.endpoint.priority, [member]);
    else group.push(member);
    const ageMs = nowMs - member.readySinceMs;
    const factor = slowStart === undefined || !member.usable ? 1 : slowStartFactor(ageMs, slowStart);
    if (factor < 1) isWarmingUp = true;
    member.weight = member.endpoint.weight * member.share * factor;
  }
  const ordered = [...groups].toSorted(([a], [b]) => a - b);
  const healths = ordered.map(([, group]) => ({
    total: group.length,
    healthy: count(group, isUsable),
    lendable: count(group, isLendable),
  }));
  const { loads, normalizedHealth } = priorityLoads(healths, overprovisioningPercent);
  const tiers: Tier[] = [];
  for (const [i, [priority, group]] of ordered.entries()) {
    yield;
    const health = healths[i] as (typeof healths)[number];
    const inPanic = isInPanic(health, normalizedHealth, panicPercent);
    const { total, healthy, lendable } = health;
    // The health of a few among thousands rounds to 0 as well.
    const loadWithoutHealth = panicPercent > 0 ? lendable : healthy;
    const load = normalizedHealth === 0 ? loadWithoutHealth : (loads[i] as number);
    const able = group.filter(inPanic ? isLendable : isUsable);
    const shares = inPanic ? ALL_ZONES : sharesOf(group, locality, overprovisioningPercent, i === 0);
    const places = yield* buildPlaces(able, shares, (zone) => policies(priority, zone));
    const shareSums = runningSums(places.map(({ share }) => share));
    tiers.push({ priority, load, isInPanic: inPanic, total, healthy, places, shareSums });
  }
  const loadSums = runningSums(tiers.map(({ load }) => load));
  const loaded = tiers.filter(({ load }) => load > 0);
  return { tiers, loadSums, only: loaded.length === 1 ? loaded[0] : undefined, isWarmingUp };
}

const ALL_ZONES: readonly LocalityShare[] = [{ zone: undefined, share: 1 }];

function* buildPlaces(
  able: readonly Member[],
  shares: readonly LocalityShare[],
  policyOf: (zone: string | undefined) => Policy,
): Generator<undefined, (Place & { readonly share: number })[]> {
  const byZone = shares.length === 1 && shares[0]?.zone === undefined ? undefined : groupByZone(able);
  const places: (Place & { readonly share: number })[] = [];
  for (const { zone, share } of shares) {
    const members = zone === undefined ? able : (byZone?.get(zone) ?? []);
    if (members.length === 0) continue;
    const picker = yield* policyOf(zone).prepare(members);
    places.push({ zone, members, picker, share });
  }
  return places;
}

function sharesOf(
  group: readonly Member[],
  locality: BalancingPolicy['locality'],
  overprovisioningPercent: number,
  isFirst: boolean,
): readonly LocalityShare[] {
  if (locality === undefined) return ALL_ZONES;
  const zones: ZoneHealth[] = [...groupByZone(group)].map(([zone, members]) => {
    return { zone, total: members.length, healthy: count(members, isUsable) };
  });
  // In an order of their own, so that a hash finds its zone again in whatever order endpoints were heard of.
  zones.sort((a, b) => (a.zone < b.zone ? -1 : 1));
  return localityShares(zones, locality, overprovisioningPercent, isFirst);
}

function groupByZone(members: readonly Member[]): Map<string, Member[]> {
  return Map.groupBy(members, ({ endpoint }) => endpoint.zone);
}

function runningSums(values: readonly number[]): number[] {
  let sum = 0;
  return values.map((value) => (sum += value));
}

function isUsable(member: Member): boolean {
  return member.usable;
}

function isLendable(member: Member): boolean {
  return member.lendable;
}

function count(members: readonly Member[], is: (member: Member) => boolean): number {
  let found = 0;
  for (const member of members) if (is(member)) found++;
  return found;
}
