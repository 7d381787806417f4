import type { Candidate, Picker, PolicyFactory } from '../policy.ts';
import { Choices } from './choices.ts';
import { numbersOf } from './upkeep.ts';

/** Samples older than this fade: who was slow once is tried again. */
const DECAY_MS = 10_000;

/**
 * Shortest mean time to answer, times calls open with the one to come, of some drawn by chance. Who has not answered yet
 * gets one call, and no second before its answer unless nobody has answered. Without the memory for peaks that
 * `peak-ewma` has: an endpoint that stalls now and then is found out later.
 *
 * Source: the `least_time` of nginx, compared over a draw; the rule for those without history is Finagle's.
 */
export const createLeastResponseTime: PolicyFactory<'least-response-time'> = ({ choiceCount }, clock) => ({
  needsLatency: true,
  decayMs: DECAY_MS,
  hashes: false,
  refreshMs: 0,
  *prepare<T extends Candidate>(members: readonly T[]): Generator<undefined, Picker<T>> {
    const weights = yield* numbersOf(members, ({ weight }) => weight);
    return new Choices(members, weights, {
      clock,
      choiceCount,
      fullScanUpTo: 0,
      cost: { kind: 'mean-latency' },
      reason({ latency, openCalls }, count) {
        const ms = latency.count === 0 ? 'no answer yet' : `${latency.meanMs(clock.nowMs()).toFixed(1)} ms`;
        return `shortest time to answer by open calls of ${count} (${ms}, ${openCalls} open)`;
      },
    });
  },
});
