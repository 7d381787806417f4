import type { LocalityPolicy } from '../balancing-policy.ts';
import { zoneAwareShares } from './zone-aware.ts';

/** Members of one zone within a priority. */
export interface ZoneHealth {
  readonly zone: string;
  readonly total: number;
  readonly healthy: number;
}

/** Part of a priority's calls that goes to a zone; `zone: undefined` is the members of all zones together. */
export interface LocalityShare {
  readonly zone: string | undefined;
  /** At least 0; relative to the other shares. */
  readonly share: number;
}

const WHOLE: readonly LocalityShare[] = [{ zone: undefined, share: 1 }];

/** How a priority that is not in panic shares its calls among zones. `isFirst`: it is the first of all priorities. */
export function localityShares(
  zones: readonly ZoneHealth[],
  policy: LocalityPolicy | undefined,
  overprovisioningPercent: number,
  isFirst: boolean,
): readonly LocalityShare[] {
  if (policy === undefined) return WHOLE;
  switch (policy.kind) {
    case 'weights':
      return weightedShares(zones, policy.weights, overprovisioningPercent) ?? WHOLE;
    case 'zone-aware':
      return (isFirst ? zoneAwareShares(zones, policy) : undefined) ?? WHOLE;
    default:
      return policy satisfies never;
  }
}

/**
 * Weight of each zone times its availability, which is overstated as the health of priorities is: a zone that has lost
 * few members keeps its share. Zones without a weight weigh 1. Undefined when no zone would get anything.
 * Source: Envoy, locality_weight.rst.
 */
function weightedShares(
  zones: readonly ZoneHealth[],
  weights: Readonly<Record<string, number>>,
  overprovisioningPercent: number,
): LocalityShare[] | undefined {
  const shares = zones.map(({ zone, total, healthy }) => {
    const weight = Object.hasOwn(weights, zone) ? (weights[zone] as number) : 1;
    const availability = Math.min(100, Math.floor((overprovisioningPercent * healthy) / total));
    return { zone, share: weight * availability };
  });
  return shares.some(({ share }) => share > 0) ? shares : undefined;
}
