import type { SlowStartPolicy } from './balancing-policy.ts';

/** A window is gone through in about this many steps. */
const STEPS = 50;

/**
 * Part of its weight that an endpoint has, `ageMs` after it became able to take calls: `max(minimum, t ^ (1 /
 * aggression))` with `t = max(age, 1 s) / window`, and all of it once the window is over.
 * Source: Envoy, slow_start.rst.
 */
export function slowStartFactor(ageMs: number, policy: SlowStartPolicy): number {
  if (ageMs >= policy.windowMs) return 1;
  const time = Math.min(1, Math.max(ageMs, 1_000) / policy.windowMs);
  return Math.max(policy.minWeightPercent / 100, time ** (1 / policy.aggression));
}

/** How often weights follow while somebody is within its window, in ms. */
export function slowStartStepMs({ windowMs }: SlowStartPolicy): number {
  return Math.min(1_000, Math.max(100, windowMs / STEPS));
}
