import type { Candidate, PolicyFactory } from '../policy.ts';
import { Choices } from './choices.ts';
import { atOnce } from './upkeep.ts';

/**
 * Lowest `latency * (load + 1)` of some drawn by chance, where latency rises to each peak at once and decays by time,
 * see `createLatency`. Latency is that of whole calls, and for streams that of their first message.
 *
 * Who has no history counts as `initialMs` (linkerd), which decays like any latency while it has no call, or at low load
 * it would never get its first one; while its first calls are open it does not (Finagle's penalty for the first probe).
 *
 * Source: Finagle's PeakEwma.scala, tower's peak_ewma.rs.
 */
export const createPeakEwma: PolicyFactory<'peak-ewma'> = ({ decayMs, initialMs, choiceCount }, clock) => {
  const latencyOf = ({ latency, load, readySinceMs }: Candidate, nowMs: number): number => {
    if (latency.count > 0) return latency.peakMs(nowMs);
    return load > 0 ? initialMs : initialMs * Math.exp(-Math.max(0, nowMs - readySinceMs) / decayMs);
  };
  return {
    needsLatency: true,
    decayMs,
    hashes: false,
    refreshMs: 0,
    prepare: (members) =>
      atOnce(
        new Choices(members, {
          clock,
          choiceCount,
          fullScanUpTo: 0,
          cost: (member, load, nowMs) => latencyOf(member, nowMs) * (load + 1),
          reason: (chosen, count) =>
            `lowest peak latency by open calls of ${count} (${latencyOf(chosen, clock.nowMs()).toFixed(1)} ms, ${chosen.openCalls})`,
        }),
      ),
  };
};
