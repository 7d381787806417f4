import type { SrvRecord } from './message.ts';

const MAX_WEIGHT = 65_535;
/** Share of one that has weight 0 beside one that has weight 1. */
const SMALL = 100;

/**
 * What a record's weight is among its own priority. In SRV records 0 means a very small chance, or no difference at all
 * where nobody has another (RFC 2782); with us it means no new calls. So zeros among themselves become 1, and beside
 * others a hundredth of what they would otherwise have: 0, 1, 3 becomes 1, 100, 300.
 */
export function toWeights(records: readonly SrvRecord[]): Map<SrvRecord, number> {
  const weights = new Map<SrvRecord, number>();
  for (const peers of Map.groupBy(records, ({ priority }) => priority).values()) {
    const most = peers.reduce((max, { weight }) => Math.max(max, weight), 0);
    const hasZeros = peers.some(({ weight }) => weight === 0);
    const factor = hasZeros && most > 0 ? Math.min(SMALL, MAX_WEIGHT / most) : 1;
    for (const record of peers) weights.set(record, Math.max(1, Math.floor(record.weight * factor)));
  }
  return weights;
}
