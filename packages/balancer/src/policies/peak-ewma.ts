import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { Choices } from './choices.ts';
import { numbersOf } from './upkeep.ts';

/**
 * Lowest `latency * (load + 1)` of some drawn by chance, where latency rises to each peak at once and decays by time,
 * see `createLatency`; for those without history see `Costs`. Latency is that of whole calls, and for streams that of
 * their first message.
 *
 * Source: Finagle's PeakEwma.scala, tower's peak_ewma.rs.
 */
export const createPeakEwma: PolicyFactory<'peak-ewma'> = ({ decayMs, initialMs, choiceCount }, clock) => ({
  needsLatency: true,
  decayMs,
  hashes: false,
  refreshMs: 0,
  *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
    const weights = yield* numbersOf(members, ({ weight }) => weight);
    return new Choices(members, weights, {
      clock,
      choiceCount,
      fullScanUpTo: 0,
      cost: { kind: 'peak-latency', decayMs, initialMs },
      reason({ latency, openCalls }, count) {
        const ms = latency.count === 0 ? 'no answer yet' : `${latency.peakMs(clock.nowMs()).toFixed(1)} ms`;
        return `lowest peak latency by open calls of ${count} (${ms}, ${openCalls} open)`;
      },
    });
  },
});
