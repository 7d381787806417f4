import type { Clock } from '@bascule/core';

/** How fast calls of one kind have been of late. */
export interface Latencies {
  record(ms: number): void;
  /** Time that a share `quantile` in [0, 1) of the calls does not exceed; undefined while there are too few to tell. */
  quantileMs(quantile: number): number | undefined;
}

/** As Finagle's WindowedPercentileHistogram: ten slots of three seconds. */
const SLOTS = 10;
const SLOT_MS = 3000;

/** Buckets grow by a twelfth of a doubling, 6 %, from a tenth of a millisecond to half an hour. */
const PER_DOUBLING = 12;
const LEAST_MS = 0.1;
const BUCKETS = 24 * PER_DOUBLING;

/**
 * A histogram of the last half minute with buckets of fixed size on a logarithmic scale: 12 KB, whatever is recorded.
 * What it says is found anew every 3 seconds, and is never less than the true quantile by more than the slot that is
 * being filled. Source: Finagle's BackupRequestFilter.
 */
export function createLatencies(clock: Clock): Latencies {
  const counts = new Uint32Array(SLOTS * BUCKETS);
  const totals = new Uint32Array(BUCKETS);
  let calls = 0;
  let slot = Math.floor(clock.nowMs() / SLOT_MS);
  let found: { readonly slot: number; readonly quantile: number; readonly ms: number | undefined } | undefined;

  function turn(): void {
    const current = Math.floor(clock.nowMs() / SLOT_MS);
    // Slots that passed without a call are stale too; after a whole window all are.
    for (let stale = Math.max(slot + 1, current - SLOTS + 1); stale <= current; stale++) {
      const from = (stale % SLOTS) * BUCKETS;
      for (let bucket = 0; bucket < BUCKETS; bucket++) {
        const count = counts[from + bucket] as number;
        totals[bucket] = (totals[bucket] as number) - count;
        calls -= count;
      }
      counts.fill(0, from, from + BUCKETS);
    }
    slot = Math.max(slot, current);
  }

  function find(quantile: number): number | undefined {
    // With fewer the slowest call is the quantile, and one more says something else. Rounded: 1 - 0.9 is less than 0.1.
    if (Math.round(calls * (1 - quantile) * 1e6) < 1e6) return undefined;
    let left = calls * quantile;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= totals[bucket] as number;
      if (left <= 0) return upperMs(bucket);
    }
    return upperMs(BUCKETS - 1);
  }

  return {
    record(ms) {
      turn();
      const bucket = bucketOf(ms);
      const at = (slot % SLOTS) * BUCKETS + bucket;
      counts[at] = (counts[at] as number) + 1;
      totals[bucket] = (totals[bucket] as number) + 1;
      calls++;
    },
    quantileMs(quantile) {
      turn();
      if (found === undefined || found.slot !== slot || found.quantile !== quantile) {
        found = { slot, quantile, ms: find(quantile) };
      }
      return found.ms;
    },
  };
}

function bucketOf(ms: number): number {
  const bucket = Math.ceil(PER_DOUBLING * Math.log2(Math.max(ms, LEAST_MS) / LEAST_MS));
  return Math.min(BUCKETS - 1, bucket);
}

function upperMs(bucket: number): number {
  return LEAST_MS * 2 ** (bucket / PER_DOUBLING);
}
