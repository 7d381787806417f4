/** How well a priority is. */
export interface PriorityHealth {
  /** Its members. */
  readonly total: number;
  /** Those that can take calls. */
  readonly healthy: number;
}

export interface PriorityLoads {
  /** Share of calls of each priority, in whole percent; all are 0 when nobody is healthy. */
  readonly loads: readonly number[];
  /** Health of all together, at most 100. Below it there is not enough to go round. */
  readonly normalizedHealth: number;
}

/**
 * Spreads calls over priorities, first one first: a priority is as healthy as its share of healthy members times the
 * overprovisioning, at most 100 %, takes that much of all calls, and leaves the rest to the next. Where all together
 * have less than 100 %, what there is counts as all. In whole numbers; each load is rounded, and what rounding leaves
 * goes to the first that is healthy.
 * Source: Envoy, priority.rst.
 */
export function priorityLoads(priorities: readonly PriorityHealth[], overprovisioningPercent: number): PriorityLoads {
  const healths = priorities.map(({ total, healthy }) =>
    total === 0 ? 0 : Math.min(100, Math.floor((overprovisioningPercent * healthy) / total)),
  );
  const sum = healths.reduce((a, b) => a + b, 0);
  const normalizedHealth = Math.min(100, sum);
  let left = 100;
  const loads = healths.map((health) => {
    const load = normalizedHealth === 0 ? 0 : Math.min(left, Math.round((health * 100) / normalizedHealth));
    left -= load;
    return load;
  });
  const first = healths.findIndex((health) => health > 0);
  if (first >= 0) loads[first] = (loads[first] as number) + left;
  return { loads, normalizedHealth };
}

/**
 * Whether a priority uses all members it has, because too few of them are healthy to bear it. Not while the priorities
 * together are healthy enough: others take what it cannot. 0 switches it off.
 * Source: Envoy, panic_threshold.rst.
 */
export function isInPanic({ total, healthy }: PriorityHealth, normalizedHealth: number, panicPercent: number): boolean {
  return normalizedHealth < 100 && healthy * 100 < panicPercent * total;
}
