/**
 * Whether counts may come from draws by these weights: the chi-square statistic over the value that chance exceeds once
 * in about three million times. Up to 1 they may.
 */
export function chiSquareOverBound(counts: readonly number[], weights: readonly number[]): number {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let statistic = 0;
  for (const [i, weight] of weights.entries()) {
    const due = (picks * weight) / total;
    statistic += ((counts[i] as number) - due) ** 2 / due;
  }
  return statistic / bound(weights.length - 1);
}

/** Wilson and Hilferty's approximation of the quantile at 5 standard deviations. */
function bound(freedom: number): number {
  const spread = 2 / (9 * freedom);
  return freedom * (1 - spread + 5 * Math.sqrt(spread)) ** 3;
}
