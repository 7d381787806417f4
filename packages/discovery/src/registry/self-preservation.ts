/**
 * Self-preservation: when a large part falls silent within one TTL, it is likelier that this registry does not hear
 * them than that all of them died. Then nobody is expired.
 * - `off`: silence ends a lease
 * - `holding`: it does not
 */
export type Preservation =
  | { readonly state: 'off' }
  | { readonly state: 'holding'; readonly sinceMs: number; readonly silent: number; readonly leases: number };

/** What a look at the leases found. */
export interface Census {
  readonly leases: number;
  /** Those that have missed a renewal, or whose time is over. */
  readonly silent: number;
  /** Those that expired within the last TTL: they count among both. */
  readonly expired: number;
}

/** Less than this share may fall silent within one TTL. Eureka's threshold: 85 % of the renewals must come. */
const MAX_SILENT_SHARE = 0.15;
/** So many may fall silent in any case: a few dead ones of a small set are dead. */
const HANDFUL = 5;

/** Holds while the leases that are silent or have just expired are more than a handful and more than 15 % of all. */
export function transition(before: Preservation, { leases, silent, expired }: Census, nowMs: number): Preservation {
  const lost = silent + expired;
  const isTooMany = lost > HANDFUL && lost > MAX_SILENT_SHARE * (leases + expired);
  if (!isTooMany) return { state: 'off' };
  return { state: 'holding', sinceMs: before.state === 'holding' ? before.sinceMs : nowMs, silent, leases };
}
