/** Weights that endpoints can have lie less far apart; parts of weights, as at the edges of an aperture, may not. */
const MAX_RATIO = 65_536;

/**
 * How many entries of a ring each weight gets: as many in all as give the least weight the smallest whole number with
 * which there are `minRingSize`. Where that is above `maxRingSize`, all have fewer. Source: Envoy's ring, gRFC A42.
 */
export function countEntries(weights: Float64Array, minRingSize: number, maxRingSize: number): Uint32Array {
  let total = 0;
  let least = Infinity;
  for (const weight of weights) {
    total += weight;
    least = Math.min(least, weight);
  }
  // A weight of nearly nothing must not make a ring of millions.
  least = Math.max(least, total / weights.length / MAX_RATIO);
  // Less a hair: rounding must not double the ring of a thousand members.
  const perLeast = Math.max(1, Math.ceil((least * minRingSize) / total - 1e-9));
  const perWeight = Math.min(perLeast / least, Math.max(1, maxRingSize) / total);
  let placed = 0;
  let target = 0;
  // Running sums, so that parts of entries are not lost: with 1.5 for each, every second member has two.
  return Uint32Array.from(weights, (weight) => {
    target += perWeight * weight;
    const count = Math.max(0, Math.ceil(target - 1e-6) - placed);
    placed += count;
    return count;
  });
}
