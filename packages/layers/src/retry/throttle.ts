/** Stops repeats for a server that fails more often than it succeeds, whichever call is concerned. */
export interface RetryThrottle {
  succeeded(): void;
  failed(): void;
  /** Repeats and hedges may be sent. */
  allows(): boolean;
}

export interface RetryThrottleOptions {
  /** Tokens at the start, and the most there are. In (0, 1000]. */
  readonly maxTokens: number;
  /** Tokens that a success brings, above 0; three decimals count. */
  readonly tokenRatio: number;
}

/**
 * One for each server name. A failure takes a token, a success brings `tokenRatio` of one, and repeats are sent only
 * while there are more than half of them. Counted in thousandths, so that ten times 0.1 is one. Source: gRFC A6,
 * Throttling Retry Attempts and Hedged RPCs. Throws a RangeError where the options make no sense.
 */
export function createRetryThrottle({ maxTokens, tokenRatio }: RetryThrottleOptions): RetryThrottle {
  if (!(maxTokens > 0 && maxTokens <= 1000)) throw new RangeError(`maxTokens ${maxTokens} must be > 0 and <= 1000`);
  if (!(tokenRatio > 0)) throw new RangeError(`tokenRatio ${tokenRatio} must be > 0`);
  const max = Math.round(maxTokens * 1000);
  // Rounded first: 0.29 * 1000 is a little less than 290.
  const ratio = Math.floor(Number((tokenRatio * 1000).toFixed(3)));
  let tokens = max;
  return {
    succeeded: () => void (tokens = Math.min(max, tokens + ratio)),
    failed: () => void (tokens = Math.max(0, tokens - 1000)),
    allows: () => tokens * 2 > max,
  };
}
