import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { prepareTurns } from './prepare-turns.ts';
import { Seats } from './seats.ts';
import { StridePicker } from './stride-picker.ts';
import { toStrideWeights } from './stride.ts';
import { numbersOf } from './upkeep.ts';

/** Lower update periods count as this. Source: gRFC A58. */
const LEAST_UPDATE_MS = 100;

/** What the weight of an endpoint is made with. */
export interface OrcaWeighting {
  readonly blackoutMs: number;
  readonly expirationMs: number;
  readonly errorPenalty: number;
}

/**
 * Weights by what endpoints say of their load: `qps / (utilization + eps / qps * errorPenalty)`, taken by static stride.
 * Configured weights do not count. An endpoint without a weight has the mean of the others; with fewer than two weights
 * all take turns.
 *
 * Source: gRFC A58 (`weighted_round_robin`).
 */
export const createOrcaWeightedRoundRobin: PolicyFactory<'orca-weighted-round-robin'> = (spec, clock) => {
  const seats = new Seats();
  return {
    needsLatency: false,
    decayMs: 0,
    hashes: false,
    refreshMs: Math.max(LEAST_UPDATE_MS, spec.updateMs),
    *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
      const nowMs = clock.nowMs();
      const raw = yield* numbersOf(members, (member) => orcaWeight(member, spec, nowMs));
      const weights = toStrideWeights(raw);
      if (weights === undefined) return yield* prepareTurns(members, () => 1, seats, clock);
      return new StridePicker(members, weights, clock, (index) => {
        const said = raw[index] as number;
        return said > 0 ? `next in turn by reported load (weight ${said.toFixed(1)})` : 'next in turn, mean weight';
      });
    },
  };
};

/** An endpoint's weight, 0 where there is none: no report, one that is too old, or none for long enough. */
export function orcaWeight(
  { report, readySinceMs }: Pick<Candidate, 'report' | 'readySinceMs'>,
  { blackoutMs, expirationMs, errorPenalty }: OrcaWeighting,
  nowMs: number,
): number {
  if (report === undefined || nowMs - report.atMs >= expirationMs) return 0;
  // A connection that is new begins a blackout, too: what was said before may be of another process.
  if (nowMs - Math.max(report.firstMs, readySinceMs) < blackoutMs) return 0;
  const { utilization, qps, eps } = report;
  if (!(utilization > 0) || !(qps > 0)) return 0;
  return qps / (utilization + (eps / qps) * errorPenalty);
}
